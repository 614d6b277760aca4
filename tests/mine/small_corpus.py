"""A corpus and transcripts written as their stages write them, for stages that come after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from tasks.shared.artifacts.corpus import Judgment, Query, Split, Video, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.media import write_media
from tasks.shared.artifacts.models import BaseModel, write_base
from tasks.shared.artifacts.publish import write_manifest
from tasks.shared.artifacts.transcripts import Transcript, write_transcripts

RESULTS = Path("results")


def video(video_id: str, split: Split, **known: str | None) -> Video:
    """A video of which nothing is known but what is named: caption, language, video_type, event."""
    return Video(
        video_id=video_id,
        path=f"videos/{video_id}.mp4",
        sha256="0" * 64,
        bytes=1,
        duration=1.0,
        title=None,
        description=None,
        caption=known.get("caption"),
        language=known.get("language"),
        video_type=known.get("video_type"),
        split=split,
        event=known.get("event"),
    )


def query(query_id: str, text: str, split: Split, **known: str | None) -> Query:
    """A query of which nothing is known but what is named: language, type, event, category."""
    return Query(
        query_id, text, known.get("language"), known.get("type"), split, known.get("event"), known.get("category")
    )


def publish(
    videos: Iterable[Video],
    queries: Iterable[Query],
    judgments: Mapping[Split, Iterable[tuple[str, str, int]]],
    spoken: Mapping[str, str],
) -> None:
    """Write `results/corpus` and `results/transcribe`; `spoken` has the transcript of every video with sound.

    `results/extract` and `results/base`, which mining reads for one of its sources, are there and hold nothing.
    """
    corpus, transcribe, extract, base = (RESULTS / name for name in ("corpus", "transcribe", "extract", "base"))
    write_videos(corpus / "manifest.parquet", videos)
    write_queries(corpus / "queries.parquet", queries)
    for split in ("train", "test"):
        write_qrels(corpus / f"qrels.{split}.trec", [Judgment(*one) for one in judgments.get(split, ())])
    write_transcripts(transcribe, [Transcript(one, text, "en", 1.0, []) for one, text in spoken.items()])
    write_media(extract, [])
    write_base(base, BaseModel("./nothing"))
    for folder in (corpus, transcribe, extract, base):
        write_manifest(folder, folder.name, params={}, code={}, components=[], inputs=[], counts={})
