"""Differences in the data: real tables of two small corpora."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tasks.audit.diff.data import data_difference
from tasks.audit.diff.pair import Pair
from tasks.shared.artifacts.corpus import Judgment, Query, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.media import FOLDER as MEDIA
from tasks.shared.artifacts.media import Media, write_media
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


def test_every_kind_of_change_is_named(tmp_path: Path) -> None:
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
    unknown: list[str] = []
    found = data_difference(Pair(published(a), published(b)), unknown)
    assert not unknown
    videos, queries, train, judged, media, transcripts = found.values()
    assert videos and queries and judged and media and transcripts
    assert (videos.added, videos.removed) == (["new"], ["gone"])
    changed = {item: [(one.key, one.a, one.b) for one in of] for item, of in videos.changed.items()}
    assert changed == {"v": [("sha256", "1", "2")], "w": [("caption", None, "سيل\x1b[2J")]}
    assert {item: [one.key for one in of] for item, of in queries.changed.items()} == {
        "q": ["text"]
    } and queries.equal == 1
    assert train is not None and train.same_bytes
    assert (judged.added, judged.removed, [*judged.changed]) == (["q w"], ["r v"], ["q v"])
    assert {item: [one.key for one in of] for item, of in media.changed.items()} == {"v": ["frames_sha256"]}
    assert [*transcripts.changed] == ["w"]


def test_a_table_of_another_version_is_said_and_the_rest_is_compared(tmp_path: Path) -> None:
    a = corpus(tmp_path / "a", [VIDEO], [QUERY], [])
    b = corpus(tmp_path / "b", [VIDEO], [replace(QUERY, text="other")], [])
    (b / "results/corpus/manifest.parquet").write_bytes((b / "results/corpus/queries.parquet").read_bytes())
    unknown: list[str] = []
    found = data_difference(Pair(published(a), published(b)), unknown)
    queries = found["queries"]
    assert found["videos"] is None and queries is not None and len(queries.changed) == 1
    assert len(unknown) == 1 and unknown[0].startswith("videos: B: ") and "no column video_id" in unknown[0]
