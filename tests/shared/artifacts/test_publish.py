from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import pytest

from tasks.shared.artifacts.publish import LISTED, input_files, publishing, read_manifest, read_outputs, write_manifest
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file, write_text


def tree(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*"))


def test_a_stage_is_published_whole(tmp_path: Path) -> None:
    with publishing("mine", tmp_path) as out:
        write_text(out / "deep" / "a", "new")
        assert not (tmp_path / "mine").exists()
    assert tree(tmp_path) == ["mine", "mine/deep", "mine/deep/a"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_leaves_the_old_results_as_they_were(tmp_path: Path, error: type[BaseException]) -> None:
    with publishing("mine", tmp_path) as out:
        write_text(out / "a", "old")
    with pytest.raises(error), publishing("mine", tmp_path) as out:
        write_text(out / "b", "half")
        raise error
    assert tree(tmp_path) == ["mine", "mine/a"]
    assert (tmp_path / "mine" / "a").read_text() == "old"


def test_a_rename_that_fails_brings_the_old_results_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with publishing("mine", tmp_path) as out:
        write_text(out / "a", "old")
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name == ".mine.partial":
            raise PermissionError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(PermissionError), publishing("mine", tmp_path) as out:
        write_text(out / "a", "new")
    assert tree(tmp_path) == ["mine", "mine/a"]
    assert (tmp_path / "mine" / "a").read_text() == "old"


def test_what_a_killed_run_left_is_not_published(tmp_path: Path) -> None:
    write_text(tmp_path / ".mine.partial" / "stale", "x")
    write_text(tmp_path / ".mine.old" / "older", "x")
    with publishing("mine", tmp_path) as out:
        write_text(out / "a", "new")
    assert tree(tmp_path) == ["mine", "mine/a"]


def test_the_manifest_is_over_everything_and_says_nothing_of_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_text(Path("results/corpus/queries.parquet"), "input")
    write_text(Path("tasks/mine/run.py"), "code")
    texts = []
    for _ in range(2):
        with publishing("mine") as out:
            write_text(out / "negatives.jsonl", "made")
            write_text(out / "lancedb" / "x.lance", "differs every time")
            write_manifest(
                out,
                "mine",
                params={"mine": {"keep": 3}, "run.seed": 7},
                code={"tasks/mine/run.py": sha256_file(Path("tasks/mine/run.py"))},
                components=["pyarrow", "numpy"],
                inputs=[Path("results/corpus/queries.parquet")] * 2,
                counts={"queries": 1},
                derived=["lancedb"],
            )
        texts.append((Path("results/mine/manifest.json")).read_text())
    assert texts[0] == texts[1]
    assert read_manifest("mine") == {
        "stage": "mine",
        "params": {"mine": {"keep": 3}, "run.seed": 7},
        "code": {"tasks/mine/run.py": sha256_file(Path("tasks/mine/run.py"))},
        "components": {"numpy": version("numpy"), "pyarrow": version("pyarrow")},
        "inputs": {
            "results/corpus/queries.parquet": {
                "sha256": sha256_file(Path("results/corpus/queries.parquet")),
                "bytes": len("input"),
            }
        },
        "outputs": {
            "results/mine/negatives.jsonl": {
                "sha256": sha256_file(Path("results/mine/negatives.jsonl")),
                "bytes": len("made"),
            }
        },
        "folders": {},
        "derived": ["results/mine/lancedb"],
        "counts": {"queries": 1},
    }
    assert str(tmp_path) not in json.dumps(read_manifest("mine"))


def test_a_folder_with_many_files_is_listed_beside_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with publishing("extract") as out:
        for number in range(LISTED + 1):
            write_text(out / "frames" / f"v{number}.png", f"picture {number}")
        for number in range(LISTED):
            write_text(out / "audio" / f"v{number}.flac", "sound")
        write_text(out / "media.parquet", "table")
        write_manifest(out, "extract", params={}, code={}, components=[], inputs=[], counts={})
    manifest = read_manifest("extract")
    written = sum(len(f"picture {number}") for number in range(LISTED + 1))
    assert manifest["folders"] == {"results/extract/frames": {"files": LISTED + 1, "bytes": written}}
    assert len(manifest["outputs"]) == LISTED + 2  # the sounds, the two tables
    outputs = read_outputs("extract")
    assert len(outputs) == 2 * LISTED + 3
    for path, one in outputs.items():
        assert one == {"sha256": sha256_file(Path(path)), "bytes": Path(path).stat().st_size}


def test_an_input_folder_is_stood_for_by_its_manifest_where_it_has_one(tmp_path: Path) -> None:
    write_text(tmp_path / "published" / "manifest.json", "{}")
    write_text(tmp_path / "published" / "big", "x")
    write_text(tmp_path / "plain" / "a", "x")
    assert input_files(tmp_path / "published") == [tmp_path / "published" / "manifest.json"]
    assert input_files(tmp_path / "plain") == [tmp_path / "plain" / "a"]
    assert input_files(tmp_path / "plain" / "a") == [tmp_path / "plain" / "a"]


def test_the_manifest_of_a_stage_that_has_not_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="dvc repro"):
        read_manifest("mine", tmp_path)
