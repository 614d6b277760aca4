"""Parts of the queries: a plot and a table for each facet."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.headline import Cell
from tasks.report.numbers import decimals
from tasks.report.plots import MOST_ROWS, Dot, DotRow, Plot, dot_plot
from tasks.shared.artifacts.scores import HEADLINE, SYSTEMS, Scores, Slice
from tasks.shared.runtime.progress import progress

FACETS = {
    "query_type": ("By query type", "what answers the query: text about the video, its picture, speech, or writing"),
    "query_category": ("By query category", "what the query is about"),
    "query_language": ("By query language", "the language in which the query is written"),
    "video_language": ("By video language", "queries with a relevant video in that language, asked for that one"),
    "video_type": ("By video type", "queries with a relevant video of that type, asked for that one"),
}
TYPE_ORDER = ("base", "description", "speech", "ocr", "professional", "edited", "raw")


@dataclass(frozen=True)
class FacetRow:
    """One value of a facet: how many queries, and nDCG@10 and its 95 % interval by system."""

    value: str
    count: int
    cells: dict[str, Cell]
    intervals: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Facet:
    """A facet with its plot and its table."""

    key: str
    title: str
    what: str
    systems: list[str]
    rows: list[FacetRow]
    plot: Plot


def facets(scores: Scores) -> list[Facet]:
    """The facets that the scores have, in the order of FACETS."""
    there = [key for key in FACETS if scores.slices.get(key)]
    return [_facet(key, scores.slices[key]) for key in progress(there, "plots", unit="facet")]


def systems_plot(scores: Scores) -> Plot:
    """Every system's nDCG@10 with its interval."""
    rows = []
    for name, values in scores.systems.items():
        low, high = scores.intervals[name][HEADLINE]
        rows.append(DotRow(name, {name: Dot(values[HEADLINE], (low, high))}))
    said = "; ".join(f"{row.label} {decimals(row.dots[row.label].value)}" for row in rows)
    return dot_plot("systems", rows, HEADLINE, f"{HEADLINE} with 95 % intervals: {said}.", legend=False)


def _facet(key: str, parts: dict[str, Slice]) -> Facet:
    known = {value: place for place, value in enumerate(TYPE_ORDER)}
    values = sorted(parts, key=lambda value: (known.get(value, len(known)), value))
    systems = [name for name in SYSTEMS if any(name in part.systems for part in parts.values())]
    rows = []
    for value in values:
        numbers = {name: parts[value].systems[name][HEADLINE] for name in systems if name in parts[value].systems}
        best = max(numbers.values(), default=0.0)
        cells = {name: Cell(number, number == best) for name, number in numbers.items()}
        intervals = {name: _interval(parts[value], name) for name in numbers}
        rows.append(FacetRow(value, parts[value].count, cells, intervals))
    title, what = FACETS[key]
    return Facet(key, title, what, systems, rows, _plot(key, title, values, parts))


def _interval(part: Slice, system: str) -> tuple[float, float]:
    low, high = part.systems[system]["interval"]
    return low, high


def _plot(key: str, title: str, values: list[str], parts: dict[str, Slice]) -> Plot:
    shown = sorted(values, key=lambda value: -parts[value].count)[:MOST_ROWS]
    rows = [
        DotRow(
            f"{value} ({parts[value].count})",
            {
                name: Dot(one[HEADLINE], _interval(parts[value], name))
                for name in SYSTEMS
                if (one := parts[value].systems.get(name))
            },
        )
        for value in values
        if value in shown
    ]
    alt = f"{HEADLINE} {title[0].lower()}{title[1:]} for every system, with 95 % intervals; the table has the values."
    return dot_plot(key, rows, HEADLINE, alt, legend=True)
