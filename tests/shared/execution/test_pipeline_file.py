from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tasks.shared.execution.params import Params, load_params
from tasks.shared.execution.pipeline import dvc_hash, read_stages
from tasks.shared.runtime.errors import UserError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def params() -> Params:
    return load_params(ROOT / "params.yaml")


def test_stages_are_read_as_dvc_yaml_states_them(params: Params) -> None:
    stages = read_stages(params, ROOT / "dvc.yaml")
    assert list(stages) == list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
    assert Path(params.corpus.path) in stages["corpus"].deps, "${corpus.path} is filled in"
    assert stages["mine"].inputs == [
        Path("results/corpus/manifest.parquet"),
        Path("results/corpus/queries.parquet"),
        Path("results/corpus/qrels.train.trec"),
        Path("results/transcribe"),
        Path("results/extract"),
        Path("results/base"),
    ]
    assert {
        Path("results/evaluate/runs"),
        Path("results/evaluate/metrics.json"),
        Path("results/evaluate/systems.csv"),
    } <= set(stages["evaluate"].outs)


def test_a_stages_code_is_its_source_and_nothing_compiled(params: Params, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code = read_stages(params)["train"].code
    assert Path("tasks/train/run.py") in code
    assert Path("tasks/shared/runtime/files.py") in code
    assert {path.suffix for path in code} == {".py"}


def test_outside_the_project(params: Params, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="project's root"):
        read_stages(params, tmp_path / "dvc.yaml")


MAKE = """
from pathlib import Path
folder = Path("out/folder")
for name in ("b.txt", "a/z", "a-b/x", "a.c", "a/.hidden", "à/ü.bin", "sub/deep/er", "Z"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(("line\\r\\n" + name).encode())
(folder / "empty").mkdir()
Path("out/big").write_bytes(bytes(range(256)) * 9000)
Path("out/nothing").write_bytes(b"")
"""


def test_our_hashes_are_the_ones_dvc_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("make.py").write_text(MAKE)
    outs = ["out/folder", "out/big", "out/nothing"]
    stage = {"cmd": f'"{sys.executable}" make.py', "deps": ["make.py"], "outs": outs}
    Path("dvc.yaml").write_text(yaml.safe_dump({"stages": {"toy": stage}}))
    environment = os.environ | {"DVC_NO_ANALYTICS": "1", "DVC_GLOBAL_CONFIG_DIR": str(tmp_path / "config")}
    for arguments in (["init", "--no-scm", "-q"], ["repro", "-q"]):
        subprocess.run([sys.executable, "-m", "dvc", *arguments], check=True, env=environment)
    recorded = yaml.safe_load(Path("dvc.lock").read_text())["stages"]["toy"]
    for entry in recorded["deps"] + recorded["outs"]:
        assert dvc_hash(Path(entry["path"])) == entry["md5"], entry["path"]
    shutil.rmtree("out/folder/a")
    assert dvc_hash(Path("out/folder")) != next(one["md5"] for one in recorded["outs"] if one["path"] == "out/folder")
