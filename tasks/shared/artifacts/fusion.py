"""Fusion of modalities at search time: `results/evaluate/fusion.parquet`, and `fusion` in `metrics.json`.

A fused ranking is a TREC run like any other: `runs/<system>.<method>.trec`. The method `joint` is no fusion but what
all are compared with: the one vector of the whole document, whose ranking is the system's own.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS

FOLDER = RESULTS / "evaluate"
TABLE = "fusion.parquet"


@dataclass(frozen=True)
class FusedQuery:
    """What a method scores for one query, and the weight it gave every modality; None where it weighs none."""

    query_id: str
    system: str
    method: str
    ndcg: float
    text: float | None
    video: float | None
    audio: float | None


@dataclass(frozen=True)
class Comparison:
    """Two rankings of the same queries."""

    difference: float  # of mean nDCG@10
    p: float  # two-sided, of the paired randomisation test
    p_holm: float  # corrected for the number of comparisons (Holm)


@dataclass(frozen=True)
class Fusion:
    """What the methods score, side by side."""

    modalities: list[str]  # that were fused
    systems: dict[str, dict[str, dict[str, float]]]  # by system and method: the mean of every measure
    intervals: dict[str, dict[str, list[float]]]  # likewise: 95 % bootstrap interval of nDCG@10
    tests: dict[str, dict[str, Comparison]]  # likewise: each against the joint vector
    weights: dict[str, dict[str, dict[str, float]]]  # likewise: mean weight of every modality, where there is one
    notes: dict[str, str]  # by system: why a method that was asked for is not there


def run_name(system: str, method: str) -> str:
    """The name of a method's run file and run."""
    return f"{system}.{method}"


ROWS = Table(FusedQuery, TABLE)
write_fused = ROWS.write  # given the folder and the rows, in the order given


def read_fused(folder: Path = FOLDER, query_ids: Collection[str] | None = None) -> list[FusedQuery]:
    """What every query scores, in the order written, of some queries where they are named."""
    return ROWS.read(folder, query_id=query_ids)
