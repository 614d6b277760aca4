"""The corpus stage: a dataset becomes a manifest of videos, queries and judgments."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from tasks.corpus.check import bytes_in_both_splits, checked
from tasks.corpus.source import Source, some
from tasks.shared.artifacts.corpus import SPLITS, write_qrels, write_queries, write_videos
from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.stage import StageRun


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
    stage.counts["test_videos_equal_to_train"] = bytes_in_both_splits(source.videos)
    stage.counts["ignored_files"] = len(source.ignored)
    stage.inputs += source.read
    if source.ignored:
        print(f"corpus: not videos, ignored: {some(source.ignored)}", file=sys.stderr)


def _read(stage: StageRun) -> Source:
    corpus, run = stage.params.corpus, stage.params.run
    path = Path(corpus.path)
    if corpus.source == "folder":
        from tasks.corpus.folder import read_folder

        return read_folder(path, run.workers)
    if corpus.source == "multivent":
        from tasks.corpus.multivent import read_multivent

        return read_multivent(path, run.workers)
    from tasks.corpus.demo import write_demo

    videos, queries, judgments = write_demo(
        stage.out,
        seed=run.seed,
        train_events=corpus.train_events,
        test_events=corpus.test_events,
        workers=run.workers,
    )
    published = RESULTS / "corpus"  # where what is written into `out` will be
    return Source([replace(video, path=(published / video.path).as_posix()) for video in videos], queries, judgments)
