"""The corpus stage: a dataset becomes a manifest of videos, queries and judgments."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tasks.corpus.check import bytes_in_both_splits, checked
from tasks.corpus.demo import write_demo
from tasks.corpus.folder import read_folder
from tasks.corpus.multivent import read_multivent
from tasks.corpus.omniretriever import read_omniretriever
from tasks.corpus.source import Source, some
from tasks.shared.artifacts.corpus import SPLITS, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.shipped import Shipped, write_shipped
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.stage import StageRun

READERS: dict[str, Callable[[Path, int], Source]] = {
    "folder": read_folder,
    "multivent": read_multivent,
    "omniretriever": read_omniretriever,
}


def run(stage: StageRun) -> None:
    """Read the source that params name, check it, and write its tables into `stage.out`."""
    source = checked(_read(stage))
    write_videos(stage.out / "manifest.parquet", source.videos)
    write_queries(stage.out / "queries.parquet", source.queries)
    split_of = {query.query_id: query.split for query in source.queries}
    stage.counts = {"videos": len(source.videos)}
    for split in SPLITS:
        judgments = [one for one in source.judgments if split_of[one.query_id] == split]
        write_qrels(stage.out / f"qrels.{split}.trec", judgments)
        stage.counts |= {
            f"{split}_videos": sum(video.split == split for video in source.videos),
            f"{split}_queries": sum(query.split == split for query in source.queries),
            f"{split}_judgments": len(judgments),
        }
    write_shipped(stage.out, _known(stage, source))
    stage.counts["test_videos_equal_to_train"] = bytes_in_both_splits(source.videos)
    stage.counts["ignored_files"] = len(source.ignored)
    stage.inputs += source.read
    if source.missing:
        stage.counts["left_out"] = len(source.missing)
        print(f"corpus: left out, files missing or damaged: {some(source.missing)}", file=sys.stderr)
    if source.ignored:
        print(f"corpus: ignored, no videos or not readable: {some(source.ignored)}", file=sys.stderr)


def _known(stage: StageRun, source: Source) -> list[Shipped]:
    """Shipped features of videos that are there. Features without a video and videos without features are counted."""
    if not source.shipped:
        return []
    videos = {video.video_id for video in source.videos}
    known = [one for one in source.shipped if one.video_id in videos]
    strangers = [one.video_id for one in source.shipped if one.video_id not in videos]
    having = {
        "transcripts": sum(one.transcript is not None for one in known),
        "ocr": sum(one.frames is not None for one in known),
    }
    stage.counts |= {f"shipped_{what}": count for what, count in having.items()}
    stage.counts["shipped_without_video"] = len(strangers)
    for what, count in having.items():
        if count < len(videos):
            print(f"corpus: {len(videos) - count} of {len(videos)} videos have no shipped {what}", file=sys.stderr)
    if strangers:
        print(f"corpus: features of videos that are not there, left out: {some(strangers)}", file=sys.stderr)
    return known


def _read(stage: StageRun) -> Source:
    corpus, run = stage.params.corpus, stage.params.run
    if corpus.source != "demo":
        return READERS[corpus.source](Path(corpus.path), run.workers)
    videos, queries, judgments = write_demo(
        stage.out,
        seed=run.seed,
        train_events=corpus.train_events,
        test_events=corpus.test_events,
        workers=run.workers,
    )
    published = RESULTS / "corpus"  # where what is written into `out` will be
    return Source([replace(video, path=(published / video.path).as_posix()) for video in videos], queries, judgments)
