"""Fusion at search time on the page: a row a system and method, beside the joint vector."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.shared.artifacts.fusion import AgainstJoint, Fusion
from tasks.shared.artifacts.scores import HEADLINE

METHODS = {
    "joint": "one vector of the whole document: the system's own ranking",
    "weights": "standard scores of the modalities' own vectors, added with the weights of the params",
    "rrf": "reciprocal ranks of the modalities' own rankings, added (k = 60)",
    "entropy": "as weights, each query's own: the more a modality's scores tell videos apart, the more it weighs",
    "routed": "as weights, each query's own: predicted from its vector, learnt on training queries",
}


@dataclass(frozen=True)
class FusionRow:
    """A method of a system: nDCG@10, its interval, its lead over the joint vector, and mean weights where it weighs."""

    system: str
    method: str
    value: float
    best: bool
    interval: list[float]
    test: AgainstJoint | None
    weights: dict[str, float] | None


@dataclass(frozen=True)
class SideBySide:
    """The methods as the page shows them: explained, in rows, and why one that was asked for is not there."""

    modalities: list[str]
    explained: dict[str, str]
    rows: list[FusionRow]
    notes: list[str]


def side_by_side(found: Fusion | None) -> SideBySide | None:
    """What the page says of fusion; None where nothing was fused or scored."""
    if found is None:
        return None
    rows = []
    for system, of_system in found.systems.items():
        best = max(values[HEADLINE] for values in of_system.values())
        for method, values in of_system.items():
            rows.append(
                FusionRow(
                    system,
                    method,
                    values[HEADLINE],
                    values[HEADLINE] == best,
                    found.intervals[system][method],
                    found.tests[system].get(method),
                    found.weights[system].get(method),
                )
            )
    there = {row.method for row in rows}
    explained = {method: what for method, what in METHODS.items() if method in there}
    return SideBySide(found.modalities, explained, rows, [f"{name}: {note}" for name, note in found.notes.items()])
