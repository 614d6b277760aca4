"""The tables of scores below the headline: parts of the queries, fusion at search time, and any-to-any retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.headline import LEVEL, Cell
from tasks.report.numbers import decimals, listed, probability, signed
from tasks.report.plots import MOST_ROWS, Plot, dot_plot
from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, FIRST, Directions
from tasks.shared.artifacts.fusion import Comparison, Fusion
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
METHODS = {
    "joint": "one vector of the whole document: the system's own ranking",
    "weights": "standard scores of the modalities' own vectors, added with the weights of the params",
    "rrf": "reciprocal ranks of the modalities' own rankings, added (k = 60)",
    "entropy": "as weights, each query's own: the more a modality's scores tell videos apart, the more it weighs",
    "routed": "as weights, each query's own: predicted from its vector, learnt on training queries",
}
MODALITY_NAMES = {"text": "text", "video": "picture", "audio": "sound"}


@dataclass(frozen=True)
class FacetRow:
    """One value of a facet: how many queries, and nDCG@10 and its 95 % interval by system."""

    value: str
    count: int
    cells: dict[str, Cell]
    intervals: dict[str, list[float]]


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
    present = [key for key in FACETS if scores.slices.get(key)]
    return [_facet(key, scores.slices[key]) for key in progress(present, "plots", unit="facet")]


def systems_plot(scores: Scores) -> Plot:
    """Every system's nDCG@10 with its interval."""
    values = {name: of[HEADLINE] for name, of in scores.systems.items()}
    rows = {name: {name: (value, scores.intervals[name][HEADLINE])} for name, value in values.items()}
    listing = "; ".join(f"{name} {decimals(value)}" for name, value in values.items())
    return dot_plot("systems", rows, HEADLINE, f"{HEADLINE} with 95 % intervals: {listing}.", legend=False)


def _facet(key: str, parts: dict[str, Slice]) -> Facet:
    known = {value: place for place, value in enumerate(TYPE_ORDER)}
    values = sorted(parts, key=lambda value: (known.get(value, len(known)), value))
    systems = [name for name in SYSTEMS if any(name in part.systems for part in parts.values())]
    rows = []
    for value in values:
        numbers = {name: parts[value].systems[name][HEADLINE] for name in systems if name in parts[value].systems}
        best = max(numbers.values(), default=0.0)
        cells = {name: Cell(number, number == best) for name, number in numbers.items()}
        intervals = {name: parts[value].systems[name]["interval"] for name in numbers}
        rows.append(FacetRow(value, parts[value].count, cells, intervals))
    title, what = FACETS[key]
    return Facet(key, title, what, systems, rows, _facet_plot(key, title, rows))


def _facet_plot(key: str, title: str, rows: list[FacetRow]) -> Plot:
    """The values with the most queries."""
    largest = sorted(rows, key=lambda row: -row.count)[:MOST_ROWS]
    dots = {
        f"{row.value} ({row.count})": {name: (cell.value, row.intervals[name]) for name, cell in row.cells.items()}
        for row in rows
        if row in largest
    }
    alt = f"{HEADLINE} {title[0].lower()}{title[1:]} for every system, with 95 % intervals; the table has the values."
    return dot_plot(key, dots, HEADLINE, alt, legend=True)


@dataclass(frozen=True)
class FusionRow:
    """A method of a system: nDCG@10, its interval, its lead over the joint vector, and mean weights where it weighs."""

    system: str
    method: str
    value: float
    best: bool
    interval: list[float]
    test: Comparison | None
    weights: dict[str, float] | None


@dataclass(frozen=True)
class FusionTable:
    """The methods as the page shows them: explained, in rows, and why one that was asked for is not there."""

    modalities: list[str]
    explained: dict[str, str]
    rows: list[FusionRow]
    notes: list[str]


def fusion_table(found: Fusion | None) -> FusionTable | None:
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
    used = {row.method for row in rows}
    explained = {method: what for method, what in METHODS.items() if method in used}
    return FusionTable(found.modalities, explained, rows, [f"{name}: {note}" for name, note in found.notes.items()])


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
    asked, searched = (listed([MODALITY_NAMES[one] for one in view.split("+")]) for view in DIRECTIONS[name])
    return f"{asked} to {searched}"


def _verdict(found: Directions) -> str:
    if found.lead is None:
        return ""
    lead = found.lead
    difference = f"{FIRST} over all directions differs by {signed(lead.difference)} (p {probability(lead.p)})"
    if lead.p >= LEVEL or lead.difference == 0:
        return f"Between tuned and base these videos show no significant difference: {difference}."
    return f"Tuned is significantly {'above' if lead.difference > 0 else 'below'} base: {difference}."
