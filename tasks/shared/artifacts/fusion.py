"""Fusion of modalities at search time: `results/evaluate/fusion.parquet`, and `fusion` in `metrics.json`.

A fused ranking is a TREC run like any other: `runs/<system>.<method>.trec`. The method `joint` is no fusion but what
all are compared with: the one vector of the whole document, whose ranking is the system's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import FUSIONS, RESULTS
from tasks.shared.artifacts.vectors import SYSTEMS

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
class AgainstJoint:
    """A method against the joint vector, over the same queries.

    Attributes:
        difference: mean nDCG@10 of the method less that of the joint vector.
        p: two-sided, of the paired randomisation test; p_holm: corrected for the number of methods.
    """

    difference: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Fusion:
    """What the methods score, side by side.

    Attributes:
        modalities: that were fused.
        systems: by system and method: the mean of every measure.
        intervals: by system and method: 95 % bootstrap interval of nDCG@10 over the queries.
        tests: by system and method, joint left out.
        weights: by system and method: the mean weight of every modality, where the method weighs them.
        notes: by system: why a method that was asked for is not there.
    """

    modalities: list[str]
    systems: dict[str, dict[str, dict[str, float]]]
    intervals: dict[str, dict[str, list[float]]]
    tests: dict[str, dict[str, AgainstJoint]]
    weights: dict[str, dict[str, dict[str, float]]]
    notes: dict[str, str]


def run_name(system: str, method: str) -> str:
    """The name of a method's run file and run."""
    return f"{system}.{method}"


def fusion_of(raw: dict[str, Any]) -> Fusion:
    """Fusion as `metrics.json` has it, in the order of reading. Raises TypeError or KeyError for what it is not."""
    tests = {system: {method: AgainstJoint(**one) for method, one in of.items()} for system, of in raw["tests"].items()}
    by_system = {name: _in_order(one) for name, one in (raw | {"tests": tests}).items() if name in ORDERED}
    return Fusion(**raw | by_system)


ORDERED = ("systems", "intervals", "tests", "weights")


def _in_order(values: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        system: {method: values[system][method] for method in FUSIONS if method in values[system]}
        for system in SYSTEMS
        if system in values
    }


def as_metrics(found: Fusion) -> dict[str, float]:
    """The numbers by the names that MLflow has them under: `fusion/tuned/rrf/nDCG@10`."""
    return {
        f"fusion/{system}/{method}/{measure}": value
        for system, of_system in found.systems.items()
        for method, values in of_system.items()
        for measure, value in values.items()
    } | {
        f"fusion/{system}/{method}/p_holm": test.p_holm
        for system, of_system in found.tests.items()
        for method, test in of_system.items()
    }


ROWS = Table(FusedQuery)


def write_fused(folder: Path, rows: Iterable[FusedQuery]) -> None:
    """Write the table in the order given; without rows where nothing is fused."""
    ROWS.write(folder / TABLE, rows)


def read_fused(folder: Path = FOLDER, query_ids: Collection[str] | None = None) -> list[FusedQuery]:
    """What every query scores, in the order written, of some queries where they are named."""
    return ROWS.read(folder / TABLE, query_id=query_ids)
