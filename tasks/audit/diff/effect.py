"""What the difference does to the score: means, paired tests, slices, and the queries that moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import product
from statistics import fmean
from typing import Any

from tasks.audit.diff.pair import Pair
from tasks.audit.diff.tables import QUERIES
from tasks.evaluate.significance import holm, interval, randomisation_p
from tasks.lineage.lineage import FINAL, Lineage
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.corpus import Query, read_queries
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, SYSTEMS, read_per_query, read_scores
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

ALIKE = 1e-12  # values of two computations closer than this are equal
SETTINGS = {"resamples": "evaluate.bootstrap", "permutations": "evaluate.permutations", "seed": "run.seed"}
Values = dict[str, dict[str, dict[str, float]]]  # system -> query id -> measure -> value


@dataclass(frozen=True)
class Paired:
    """Mean nDCG@10 in A and in B over queries that both scored. Slices, and where no query moved, are not tested.

    A system that is equal on every query is not among those tested: the paired randomisation test keeps the size of
    each difference, so it can never reject there.
    """

    of: str  # a system over all of them, or a slice of the queries such as `query language: ar`
    queries: int
    better: int  # queries that score more in B
    worse: int
    a: float
    b: float
    difference: float
    low: float | None = None  # 95 % bootstrap interval of the mean difference
    high: float | None = None
    p: float | None = None  # two-sided
    p_holm: float | None = None  # corrected for the number of systems tested


@dataclass(frozen=True)
class EffectDifference:
    """Effectiveness in A and in B; the final system is the best trained that both have."""

    means: list[dict[str, Any]]  # of every system and measure; each side over its own queries
    paired: list[Paired]  # over common queries: every system, the final one first, and that by query type and language
    alone: dict[str, list[str]]  # what only A scored, and only B: queries and systems
    settings: dict[str, int]  # resamples, permutations and seed, as A's evaluate stage has them
    moves: list[dict[str, Any]]  # queries whose nDCG@10 by the final system differs, the largest difference first


def effect_difference(pair: Pair) -> EffectDifference:
    """Compare scores. Raises UserError where they cannot be compared."""
    a, b = pair.each(_scores)
    try:
        settings = {name: int(pair.a.execution(FINAL).param(key)) for name, key in SETTINGS.items()}
    except (KeyError, TypeError) as error:
        raise UserError(f"A's evaluate records no param {error}; it was made by another version") from None
    queries: dict[str, Query] = {}
    with suppress(UserError):  # which the comparison of this table says
        queries = {one.query_id: one for one in read_queries(pair.b.need(QUERIES), "test")}
    return compare_scores(a, b, queries, settings)


def compare_scores(a: Values, b: Values, queries: Mapping[str, Query], settings: Mapping[str, int]) -> EffectDifference:
    """Compare values by system, query and measure; `queries` are what is known of them, by id.

    Raises UserError where the sides have no system, or no query, in common.
    """
    systems = [name for name in SYSTEMS if name in a and name in b]
    common = sorted(set.intersection(*(set(side[name]) for side in (a, b) for name in systems))) if systems else []
    if not common:
        raise UserError("A and B scored no query in common, or no system: their scores stand side by side only")
    means = []
    for name, measure in product(systems, MEASURES):
        of_a, of_b = (fmean(query[measure] for query in side[name].values()) for side in (a, b))
        means.append({"system": name, "measure": measure, "a": of_a, "b": of_b, "difference": of_b - of_a})
    scored = {name: [_move(a[name][one], b[name][one], one, queries.get(one)) for one in common] for name in systems}
    paired = [_paired(name, moves, settings) for name, moves in progress(scored.items(), "tests", unit="system")]
    corrected = holm({one.of: one.p for one in paired if one.p is not None})
    final = systems[0]
    moves = [one for one in scored[final] if one["difference"]]
    return EffectDifference(
        means=means,
        paired=[*(replace(one, p_holm=corrected.get(one.of)) for one in paired), *_slices(scored[final])],
        alone={
            side: sorted({*here[final]} - {*there[final]}) + sorted({*here} - {*there})
            for side, here, there in (("A", a, b), ("B", b, a))
        },
        settings=dict(settings),
        moves=sorted(moves, key=lambda one: (-abs(one["difference"]), one["query_id"])),
    )


def _scores(lineage: Lineage) -> Values:
    folder = lineage.need(scores.FOLDER / scores.PER_QUERY, scores.FOLDER / scores.METRICS).parent
    found: Values = defaultdict(dict)
    for one in read_per_query(folder):
        found[one.system][one.query_id] = one.values
    if not found:
        raise UserError(f"no query is scored: {read_scores(folder).note}")
    return found


def _move(a: Mapping[str, float], b: Mapping[str, float], query_id: str, query: Query | None) -> dict[str, Any]:
    """A query's nDCG@10 in A and in B, and the rank of the first relevant video."""
    known = {name: getattr(query, name, None) for name in ("text", "type", "language")}
    difference = b[HEADLINE] - a[HEADLINE]
    values = {"a": a[HEADLINE], "b": b[HEADLINE], "difference": difference if abs(difference) > ALIKE else 0.0}
    ranks = {f"rank_{name}": round(1 / side["RR"]) if side["RR"] else None for name, side in (("a", a), ("b", b))}
    return {"query_id": query_id, **known, **values, **ranks}


def _paired(of: str, scored: Sequence[Mapping[str, Any]], settings: Mapping[str, int] | None = None) -> Paired:
    """Means over some queries; tested where settings are given and any query moved."""
    differences = [one["difference"] for one in scored]
    better, worse = sum(one > 0 for one in differences), sum(one < 0 for one in differences)
    a, difference = fmean(one["a"] for one in scored), fmean(differences)
    found = Paired(of, len(scored), better, worse, a, a + difference, difference)
    if settings is None or not any(differences):
        return found
    low, high = interval(differences, settings["resamples"], settings["seed"])
    p = randomisation_p(differences, settings["permutations"], settings["seed"])
    return replace(found, low=low, high=high, p=p)


def _slices(scored: Sequence[Mapping[str, Any]]) -> Iterator[Paired]:
    for facet in ("type", "language"):
        parts = defaultdict(list)
        for one in scored:
            parts[one[facet] or "unknown"].append(one)
        if parts.keys() != {"unknown"}:
            yield from (_paired(f"query {facet}: {value}", parts[value]) for value in sorted(parts))
