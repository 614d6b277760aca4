"""Any-to-any retrieval on the page: a row a direction, and the averages."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.headline import LEVEL
from tasks.report.numbers import listed, probability, signed
from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, FIRST, Directions

CALLED = {"text": "text", "video": "picture", "audio": "sound"}


@dataclass(frozen=True)
class DirectionRow:
    """A direction or an average: in words, and by system its measures in the order of CUTS and the interval of R@1."""

    name: str
    what: str
    average: bool
    numbers: dict[str, list[float]]
    intervals: dict[str, list[float]]


@dataclass(frozen=True)
class AnyToAny:
    """The directions as the page shows them; `verdict` compares tuned with base where there are both."""

    documents: int
    systems: list[str]
    measures: list[str]
    rows: list[DirectionRow]
    verdict: str


def any_to_any(found: Directions | None) -> AnyToAny | None:
    """What the page says of directions; None where none were asked for."""
    if found is None:
        return None
    rows = [
        DirectionRow(
            name,
            _explained(name),
            name in AVERAGES,
            {system: [of[name][cut] for cut in CUTS] for system, of in found.systems.items()},
            {system: of[name] for system, of in found.intervals.items()},
        )
        for name in (*DIRECTIONS, *AVERAGES)
    ]
    return AnyToAny(found.documents, list(found.systems), list(CUTS), rows if found.systems else [], _verdict(found))


def _explained(name: str) -> str:
    if name in AVERAGES:
        return f"mean of {len(AVERAGES[name])} directions"
    asked, searched = (listed([CALLED[one] for one in view.split("+")]) for view in DIRECTIONS[name])
    return f"{asked} to {searched}"


def _verdict(found: Directions) -> str:
    if found.lead is None:
        return ""
    told = f"{FIRST} over all directions differs by {signed(found.lead.difference)} (p {probability(found.lead.p)})"
    if found.lead.p >= LEVEL or found.lead.difference == 0:
        return f"Between tuned and base these videos show no significant difference: {told}."
    return f"Tuned is significantly {'above' if found.lead.difference > 0 else 'below'} base: {told}."
