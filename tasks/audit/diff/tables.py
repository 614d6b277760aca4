"""Tables of two states, row by row: data, what mining did with the videos it found, and what training showed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from tasks.audit.diff.pair import Change, Pair, changes
from tasks.shared.artifacts import exposures, index, losses, media, transcripts
from tasks.shared.artifacts.corpus import SPLITS, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.exposures import read_exposures
from tasks.shared.artifacts.models import TRAINED
from tasks.shared.artifacts.negatives import FILE, Dropped, MinedQuery, Negative, read_negatives
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import read_json

CORPUS = RESULTS / "corpus"
QUERIES = CORPUS / "queries.parquet"
HEARD = transcripts.FOLDER / transcripts.TABLE
LAST = 10  # steps at the end of the curve that are averaged: one batch's loss says little
Rows = Mapping[str, Mapping[str, Any]]  # fields by the row's id


@dataclass(frozen=True)
class Rowwise:
    """A table in A and in B: how many rows both have alike, and the others, with all their fields, by id."""

    equal: int
    differ: list[Change]


def _judgments(path: Path) -> Rows:
    judged = read_qrels(path).items()
    return {f"{query} {video}": {"relevance": relevance} for query, of in judged for video, relevance in of.items()}


def mined(queries: Iterable[MinedQuery]) -> Rows:
    """What became of every video that mining found for a query: a negative, or why it was dropped; rank and score."""
    found: dict[str, dict[str, Any]] = {}
    for query in queries:
        every: list[Negative | Dropped] = [*query.negatives, *query.dropped]
        for one in every:
            outcome = f"dropped: {one.reason}" if isinstance(one, Dropped) else "negative"
            found[f"{query.query_id} {one.video_id}"] = {"outcome": outcome, "rank": one.rank, "score": one.score}
    return found


def _shown(path: Path) -> Rows:
    rows = read_exposures(path.parent)
    return {f"{one.query_id} {one.video_id} {one.role}": {"steps": one.steps} for one in rows}


def _by_id(videos: Iterable[Any]) -> Rows:
    return {one.video_id: vars(one) for one in videos}


def _curve(path: Path) -> Rows:
    loss = [row["loss"] for row in losses.read_losses(path.parent)]
    ends = {"last loss": loss[-1], f"mean of the last {LAST}": fmean(loss[-LAST:])} if loss else {}
    return {"curve": {"steps": len(loss), **ends}}


TABLES: dict[str, tuple[Path, Callable[[Path], Rows]]] = {  # and the reader of each
    "videos": (CORPUS / "manifest.parquet", lambda path: _by_id(read_videos(path))),
    "queries": (QUERIES, lambda path: {one.query_id: vars(one) for one in read_queries(path)}),
    **{f"judgments, {split}": (CORPUS / f"qrels.{split}.trec", _judgments) for split in SPLITS},
    "media": (media.FOLDER / media.TABLE, lambda path: _by_id(media.read_media(path.parent).values())),
    "transcripts": (HEARD, lambda path: _by_id(transcripts.read_transcripts(path.parent).values())),
    "negatives": (FILE, lambda path: mined(read_negatives(path))),
    "exposures": (exposures.FOLDER / exposures.TABLE, _shown),
    "training": (RESULTS / "train" / TRAINED, lambda path: {"training": read_json(path)}),
    "loss": (losses.FOLDER / losses.TABLE, _curve),
    "index": (
        index.FOLDER / index.MANIFEST,
        lambda path: {"encoding": vars(index.read_index_manifest(path.parent).encoding)},
    ),
}


def table_difference(pair: Pair, name: str) -> Rowwise:
    """Compare one of the tables. Raises UserError where it is not to be had, or another version wrote it."""
    path, rows = TABLES[name]
    a, b = pair.each(lambda lineage: rows(lineage.need(path)))
    differ = changes(a, b)
    return Rowwise(len(a.keys() | b.keys()) - len(differ), differ)
