"""The mine artifact: `results/mine/negatives.jsonl`, one line a training query."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.files import read_jsonl, write_jsonl

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
    """A retrieved video that was not taken, and why."""

    video_id: str
    reason: DropReason


@dataclass(frozen=True)
class MinedQuery:
    """A training query with its judged positives, its negatives best first, and what was dropped."""

    query_id: str
    positives: list[str]
    negatives: list[Negative]
    dropped: list[Dropped]


def write_negatives(path: Path, mined: Iterable[MinedQuery]) -> None:
    """Write one JSON object a query, sorted by query id."""
    write_jsonl(path, [asdict(one) for one in sorted(mined, key=lambda one: one.query_id)])


def read_negatives(path: Path = FILE) -> list[MinedQuery]:
    """Mined queries in query id order."""
    return [
        MinedQuery(
            row["query_id"],
            row["positives"],
            [Negative(**one) for one in row["negatives"]],
            [Dropped(**one) for one in row["dropped"]],
        )
        for row in read_jsonl(path)
    ]
