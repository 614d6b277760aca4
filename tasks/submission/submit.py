"""A submission out of the evaluate stage's rankings, proved to be whole before and after it is written."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from tasks.shared.artifacts.corpus import read_queries, read_videos
from tasks.shared.artifacts.scores import read_run
from tasks.shared.artifacts.types import RESULTS, Run
from tasks.shared.runtime.errors import UserError
from tasks.submission.layouts import Layout, read_layout, write_layout

CORPUS = RESULTS / "corpus"


def submit(path: Path, layout: Layout, system: str, depth: int | None) -> Run:
    """Write a system's rankings of the test queries, down to a depth where one is given; what was written.

    Raises UserError where a test query has no ranking, where the ranking knows another corpus, and where the file does
    not read back as it was meant.
    """
    run = read_run(system)
    queries = {query.query_id for query in read_queries(CORPUS / "queries.parquet", "test")}
    videos = {video.video_id for video in read_videos(CORPUS / "manifest.parquet", "test")}
    check(run, system, queries, videos)
    cut = {query_id: dict(list(ranking.items())[:depth]) for query_id, ranking in run.items()}
    write_layout(path, cut, layout)
    again = read_layout(path)
    if {query_id: list(ranking.items()) for query_id, ranking in again.items()} != {
        query_id: list(ranking.items()) for query_id, ranking in cut.items()
    }:
        raise UserError(f"{path} does not read back as it was written; write it to another disk")
    return again


def check(run: Run, system: str, queries: Collection[str], videos: Collection[str]) -> None:
    """Raise UserError unless every test query, and no other, has a ranking of test videos."""
    if lost := sorted(set(queries) - run.keys()):
        raise UserError(
            f"{system} ranks nothing for {len(lost)} of {len(queries)} test queries, the first is {lost[0]}; "
            "run `dvc repro evaluate`, or submit another system"
        )
    if strange := sorted(run.keys() - set(queries)):
        raise UserError(f"{system} ranks for {strange[0]}, which is no test query; run `dvc repro evaluate`")
    known = set(videos)
    for query_id, ranking in run.items():
        if strange := sorted(ranking.keys() - known):
            raise UserError(
                f"{system} ranks {strange[0]} for {query_id}, which is no test video; run `dvc repro evaluate`"
            )
