"""Pointing params.yaml at a directory changes two values and nothing else."""

from pathlib import Path

import pytest

from tasks.corpus.choose import choose
from tasks.shared.execution.params import load_params
from tasks.shared.runtime.errors import UserError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def params(tmp_path: Path) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_only_source_and_path_change(params: Path, tmp_path: Path) -> None:
    before = params.read_text(encoding="utf-8").splitlines()
    odd = tmp_path / "my: #videos"
    odd.mkdir()
    choose(str(odd), params)
    after = params.read_text(encoding="utf-8").splitlines()
    changed = [new.split(":")[0].strip() for old, new in zip(before, after, strict=True) if old != new]
    assert changed == ["source", "path"]
    assert load_params(params).corpus.source == "folder"
    assert load_params(params).corpus.path == str(odd)


def test_a_missing_directory_changes_nothing(params: Path, tmp_path: Path) -> None:
    before = params.read_bytes()
    with pytest.raises(UserError, match="no directory"):
        choose(str(tmp_path / "gone"), params)
    assert params.read_bytes() == before
