from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Workspace, make_video

from tasks.corpus.run import run
from tasks.shared.artifacts.corpus import read_qrels, read_queries, read_videos
from tasks.shared.artifacts.shipped import Shipped, read_shipped
from tasks.shared.runtime.errors import UserError

OUT = Path("results/corpus")


@pytest.fixture
def folder(workspace: Workspace) -> Workspace:
    """A workspace with three videos, three queries and judgments for two splits."""
    for seed, name in enumerate(("a.mp4", "b.mp4", "sub/c.mp4")):
        make_video(Path("clips") / name, seed=seed, audio_seconds=0.5)
    Path("clips/broken.mp4").write_bytes(b"no video" * 99)
    Path("clips/empty.mp4").touch()
    Path("clips/notes.txt").touch()
    Path("clips/metadata.jsonl").write_text('{"file": "sub/c.mp4", "title": "Überschwemmung <b>"}\n')
    Path("clips/queries.csv").write_text("query_id,text,language\nq1,rain,en\nq2,fire,fr\nq3,snow,\n")
    Path("clips/qrels.train.trec").write_text("q1 0 a 1\n")
    Path("clips/qrels.test.trec").write_text("q2 0 sub__c 2\nq2 0 b 0\n")
    workspace.set_params({"corpus.source": "folder", "corpus.path": "clips"})
    return workspace


def test_the_tables_and_the_manifest(folder: Workspace) -> None:
    manifest = folder.run("corpus", run, ("av",))
    videos = {video.video_id: video for video in read_videos(OUT / "manifest.parquet")}
    assert list(videos) == ["a", "b", "broken", "empty", "sub__c"]
    assert videos["sub__c"].title == "Überschwemmung <b>"
    assert videos["broken"].duration is None
    assert (videos["empty"].bytes, videos["empty"].duration) == (0, None)
    assert all(Path(video.path).is_file() for video in videos.values())
    assert [query.query_id for query in read_queries(OUT / "queries.parquet", "train")] == ["q1"]
    assert read_qrels(OUT / "qrels.train.trec") == {"q1": {"a": 1}}
    assert read_qrels(OUT / "qrels.test.trec") == {"q2": {"sub__c": 2, "b": 0}}
    assert manifest["counts"] == {
        "videos": 5,
        "train_videos": 1,
        "test_videos": 4,
        "train_queries": 1,
        "test_queries": 2,
        "train_judgments": 1,
        "test_judgments": 2,
        "test_videos_equal_to_train": 0,
        "ignored_files": 1,
    }
    assert set(manifest["inputs"]) == {
        "clips/metadata.jsonl", "clips/queries.csv", "clips/qrels.train.trec", "clips/qrels.test.trec",
    }  # fmt: skip


def test_sha256_is_that_of_the_system(folder: Workspace) -> None:
    folder.run("corpus", run)
    for video in read_videos(OUT / "manifest.parquet"):
        said = subprocess.run(["sha256sum", video.path], capture_output=True, text=True, check=True).stdout
        assert video.sha256 == said.split()[0]


def test_twice_gives_the_same_bytes_and_a_changed_video_does_not(folder: Workspace) -> None:
    first = folder.run("corpus", run)
    os.utime("clips/a.mp4", (1e9, 1e9))
    assert folder.run("corpus", run) == first
    make_video(Path("clips/b.mp4"), seed=77, audio_seconds=0.5)
    second = folder.run("corpus", run)
    changed = {name for name, entry in second["outputs"].items() if entry != first["outputs"][name]}
    assert changed == {"results/corpus/manifest.parquet"}


def test_a_mistake_is_one_line_and_publishes_nothing(folder: Workspace) -> None:
    Path("clips/qrels.test.trec").write_text("q2 0 nowhere 1\n")
    with pytest.raises(UserError, match="1 unknown videos, the first is nowhere"):
        folder.run("corpus", run)
    assert not OUT.exists()
    assert list(Path("results").iterdir()) == []


def test_a_mistake_keeps_what_was_published_before(folder: Workspace) -> None:
    first = folder.run("corpus", run)
    folder.set_params({"corpus.path": "elsewhere"})
    with pytest.raises(UserError, match="elsewhere is missing; mend its path"):
        folder.run("corpus", run)
    assert json.loads((OUT / "manifest.json").read_text()) == first


def test_the_program_says_one_line_and_exits_with_2_without_torch(folder: Workspace) -> None:
    Path("clips/queries.csv").write_text("query_id,text\nq1,rain\nq1,fire\n")
    done = folder.program("tasks.corpus")
    assert (done.returncode, done.stdout) == (2, "")
    lines = [line for line in done.stderr.splitlines() if "mlflow" not in line.lower()]
    assert lines == ["corpus: query q1 occurs twice; give every query an id of its own"]
    check = (
        "import sys, tasks.corpus.folder, tasks.corpus.multivent, tasks.corpus.run; sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


def test_what_is_shipped_is_a_table_of_its_own_and_what_lacks_the_other_is_told(
    folder: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("clips/metadata.jsonl").write_text(
        '{"file": "sub/c.mp4", "transcript": "what is  said", "ocr": "EXIT\\nTO LET"}\n'
        '{"file": "a.mp4", "video_id": "a", "ocr": "STOP"}\n{"file": "b.mp4", "title": "nothing shipped"}\n'
    )
    manifest = folder.run("corpus", run, ("av",))
    assert list(read_shipped()) == [Shipped("a", None, ["STOP"]), Shipped("sub__c", "what is  said", ["EXIT\nTO LET"])]
    counts = {name: count for name, count in manifest["counts"].items() if name.startswith("shipped")}
    assert counts == {"shipped_transcripts": 1, "shipped_ocr": 2, "shipped_without_video": 0}
    told = capsys.readouterr().err
    assert "corpus: 4 of 5 videos have no shipped transcripts\n" in told
    assert "corpus: 3 of 5 videos have no shipped ocr\n" in told


def test_where_nothing_is_shipped_the_table_is_empty(folder: Workspace) -> None:
    folder.run("corpus", run, ("av",))
    assert list(read_shipped()) == []
