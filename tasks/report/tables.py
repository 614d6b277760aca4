"""The tables of scores below the headline: parts of the queries, fusion at search time, and any-to-any retrieval."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.headline import LEVEL
from tasks.report.numbers import decimals, listed, probability, signed
from tasks.report.plots import MOST_ROWS, Plot, dot_plot
from tasks.shared.artifacts.directions import AVERAGES, DIRECTIONS, FIRST, Directions
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
class Facet:
    """A facet: its values in the order of the page, and a plot of those with the most queries."""

    key: str
    title: str
    what: str
    systems: list[str]
    parts: dict[str, Slice]
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
    title, what = FACETS[key]
    known = {value: place for place, value in enumerate(TYPE_ORDER)}
    parts = {value: parts[value] for value in sorted(parts, key=lambda value: (known.get(value, len(known)), value))}
    systems = [name for name in SYSTEMS if any(name in part.systems for part in parts.values())]
    largest = sorted(parts, key=lambda value: -parts[value].count)[:MOST_ROWS]
    dots = {
        f"{value} ({part.count})": {
            name: (part.systems[name][HEADLINE], part.systems[name]["interval"])
            for name in systems
            if name in part.systems
        }
        for value, part in parts.items()
        if value in largest
    }
    alt = f"{HEADLINE} {title[0].lower()}{title[1:]} for every system, with 95 % intervals; the table has the values."
    return Facet(key, title, what, systems, parts, dot_plot(key, dots, HEADLINE, alt, legend=True))


def directions_explained() -> dict[str, str]:
    """Every direction and average in words."""
    explained = {}
    for name, views in DIRECTIONS.items():
        asked, searched = (listed([MODALITY_NAMES[one] for one in view.split("+")]) for view in views)
        explained[name] = f"{asked} to {searched}"
    return explained | {name: f"mean of {len(of)} directions" for name, of in AVERAGES.items()}


def directions_verdict(found: Directions) -> str:
    """Tuned compared with base in a sentence; empty where there are not both."""
    if found.lead is None:
        return ""
    lead = found.lead
    difference = f"{FIRST} over all directions differs by {signed(lead.difference)} (p {probability(lead.p)})"
    if lead.p >= LEVEL or lead.difference == 0:
        return f"Between tuned and base these videos show no significant difference: {difference}."
    return f"Tuned is significantly {'above' if lead.difference > 0 else 'below'} base: {difference}."
