"""The mine artifact: `results/mine/negatives.jsonl`, one line a training query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.tables import as_record
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import read_jsonl, write_jsonl

if TYPE_CHECKING:
    from tasks.shared.artifacts.corpus import Query

FILE = RESULTS / "mine" / "negatives.jsonl"

DropReason = Literal["positive", "margin"]  # judged relevant; scored too close to the weakest positive


@dataclass(frozen=True)
class Negative:
    """A hard negative: the video, its rank (from 1) in the mining retriever's list, and its score there."""

    video_id: str
    rank: int
    score: float


@dataclass(frozen=True)
class Dropped:
    """A retrieved video that was not taken: why, and its rank and score in the mining retriever's list."""

    video_id: str
    reason: DropReason
    rank: int
    score: float


@dataclass(frozen=True)
class MinedQuery:
    """A training query with its judged positives, its negatives best first, and what was dropped."""

    query_id: str
    positives: list[str]
    negatives: list[Negative]
    dropped: list[Dropped]
    positive_scores: dict[str, float] = field(default_factory=dict)  # where the retriever has a score
    query_sha256: str | None = None  # of the query's text


def write_negatives(path: Path, mined: Iterable[MinedQuery]) -> None:
    """Write one JSON object a query, sorted by query id."""
    write_jsonl(path, [asdict(one) for one in sorted(mined, key=lambda one: one.query_id)])


def read_negatives(path: Path = FILE) -> list[MinedQuery]:
    """Mined queries in query id order. Raises UserError where the file is missing or not as this version writes it."""
    return [as_record(MinedQuery, row, path, "mine") for row in read_jsonl(path)]


def mismatched(mined: Iterable[MinedQuery], queries: Iterable[Query]) -> Iterator[Mismatch]:
    """Mined queries whose text was another than their id has."""
    texts = {query.query_id: query.digest() for query in queries}
    for one in mined:
        if one.query_sha256 not in (None, found := texts.get(one.query_id)):
            yield Mismatch(str(FILE), one.query_id, "query text", one.query_sha256, found, "mine")
