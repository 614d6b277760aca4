"""Differences in the data: real tables of two small corpora."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.audit.diff.answer import Difference, compare
from tasks.audit.diff.pair import Change, Pair
from tasks.audit.diff.view import show_difference
from tasks.shared.artifacts.corpus import Judgment, Query, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.media import FOLDER as MEDIA
from tasks.shared.artifacts.media import Media, write_media
from tasks.shared.artifacts.models import Training, write_training
from tasks.shared.artifacts.transcripts import FOLDER as TRANSCRIPTS
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts
from tests.audit.states import published

VIDEO = Video("v", "v.mp4", "1", 1, 2.0, "title", None, None, "en", None, "test", None)
QUERY = Query("q", "words", "en", None, "test", None)
MEDIUM = Media("v", "1", "v.png", "1", [0.0], 1, 4, 4, "v.flac", "1", 1.0)
SAID = Transcript("v", "heard", "en", 1.0, [])


def corpus(root: Path, videos: list[Video], queries: list[Query], judgments: list[Judgment]) -> Path:
    folder = root / "results" / "corpus"
    write_videos(folder / "manifest.parquet", videos)
    write_queries(folder / "queries.parquet", queries)
    for split in ("train", "test"):
        write_qrels(folder / f"qrels.{split}.trec", judgments if split == "test" else [])
    write_media(root / MEDIA, [replace(MEDIUM, video_id=one.video_id, frames_sha256=one.sha256) for one in videos])
    write_transcripts(
        root / TRANSCRIPTS, [replace(SAID, video_id=one.video_id, text=str(one.caption)) for one in videos]
    )
    return root


def compared(a: Path, b: Path) -> Difference:
    return compare(("A", "B"), Pair(published(a), published(b)))


def test_every_kind_of_change_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = corpus(
        tmp_path / "a",
        [VIDEO, replace(VIDEO, video_id="gone"), replace(VIDEO, video_id="w")],
        [QUERY, replace(QUERY, query_id="r")],
        [Judgment("q", "v", 1), Judgment("r", "v", 1)],
    )
    b = corpus(
        tmp_path / "b",
        [
            replace(VIDEO, sha256="2"),
            replace(VIDEO, video_id="new"),
            replace(VIDEO, video_id="w", caption="سيل\x1b[2J"),
        ],
        [replace(QUERY, text="other words"), replace(QUERY, query_id="r")],
        [Judgment("q", "v", 2), Judgment("q", "w", 1)],
    )
    found = compared(a, b)
    videos, queries, judged, media, transcripts = found.tables.values()
    assert found.same == ["judgments, train"]
    assert [(one.key, one.how) for one in videos.differ] == [
        ("gone", "removed"),
        ("new", "added"),
        ("v", "changed"),
        ("w", "changed"),
    ]
    changed = {one.key: one for one in videos.differ}
    assert (changed["v"].a["sha256"], changed["v"].b["sha256"]) == ("1", "2")
    assert (changed["w"].a["caption"], changed["w"].b["caption"]) == (None, "سيل\x1b[2J")
    assert changed["new"].b["video_id"] == "new" and changed["new"].a is None
    assert [(one.key, one.b["text"]) for one in queries.differ] == [("q", "other words")] and queries.equal == 1
    assert judged.differ == [
        Change("q v", "changed", {"relevance": 1}, {"relevance": 2}),
        Change("q w", "added", None, {"relevance": 1}),
        Change("r v", "removed", {"relevance": 1}, None),
    ]
    assert [(one.key, one.how) for one in media.differ if one.how == "changed"] == [("v", "changed")]
    assert [one.key for one in transcripts.differ if one.how == "changed"] == ["w"]
    assert found.caveats == ["A and B were not scored on the same test: videos, queries, judgments, test differ"]
    show_difference(found, 50)
    out = capsys.readouterr().out
    rows = [line.split("  ") for line in out.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert ["videos", "0", "1", "1", "2"] in cells
    assert ["w", "caption", "null", "سيل\\x1b[2J"] in cells
    assert ["new", "added", "none"] in [row[:3] for row in cells] and ["q", "text", "words", "other words"] in cells


def test_a_table_of_another_version_is_said_and_the_rest_is_compared(tmp_path: Path) -> None:
    a = corpus(tmp_path / "a", [VIDEO], [QUERY], [])
    b = corpus(tmp_path / "b", [VIDEO], [replace(QUERY, text="other")], [])
    (b / "results/corpus/manifest.parquet").write_bytes((b / "results/corpus/queries.parquet").read_bytes())
    found = compared(a, b)
    assert "videos" not in found.tables and len(found.tables["queries"].differ) == 1
    said = found.unknown["videos"]
    assert said.startswith("B: ") and "no column video_id" in said


def test_what_differs_in_training_only_is_not_of_the_test(tmp_path: Path) -> None:
    train = replace(QUERY, query_id="t", split="train")
    a = corpus(tmp_path / "a", [VIDEO], [QUERY, train], [])
    b = corpus(tmp_path / "b", [VIDEO], [QUERY, replace(train, text="other")], [])
    found = compared(a, b)
    assert [one.key for one in found.tables["queries"].differ] == ["t"] and found.caveats == []


@pytest.mark.parametrize("of_test", ["A", "B"])
def test_a_query_that_is_of_the_test_in_one_state_alone_is_of_the_test(tmp_path: Path, of_test: str) -> None:
    both = {
        side: corpus(tmp_path / side, [VIDEO], [replace(QUERY, split="test" if side == of_test else "train")], [])
        for side in "AB"
    }
    assert compared(both["A"], both["B"]).caveats == ["A and B were not scored on the same test: queries differ"]


def test_where_neither_trained_there_is_nothing_to_compare_of_it(tmp_path: Path) -> None:
    for side, reason in (("a", "none judged"), ("b", "none judged yet")):
        corpus(tmp_path / side, [VIDEO], [QUERY], [])
        write_training(tmp_path / side / "results/train", Training(trained=False, reason=reason))
    assert {"exposures", "loss"}.isdisjoint(compared(tmp_path / "a", tmp_path / "b").unknown)
    (tmp_path / "b/results/train/loss.csv").write_text("step,loss\n")
    assert "A: a recorded no results/train/loss.csv" in compared(tmp_path / "a", tmp_path / "b").unknown.values()
