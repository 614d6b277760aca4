"""What the difference does to the score: means, paired tests, slices, and the queries that moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from tasks.audit.diff.data import queries_of
from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE, MEASURES, SYSTEMS, read_per_query, read_scores
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

ALIKE = 1e-12  # values of two computations closer than this are equal
UNKNOWN = "unknown"
SETTINGS = {"resamples": "evaluate.bootstrap", "permutations": "evaluate.permutations", "seed": "run.seed"}
Values = dict[str, dict[str, dict[str, float]]]  # system -> query id -> measure -> value


@dataclass(frozen=True)
class Means:
    """Means in A and in B, and B's less A's; over so many common queries, or each over its own where that is None."""

    a: float
    b: float
    difference: float
    queries: int | None = None


@dataclass(frozen=True)
class Paired(Means):
    """Mean nDCG@10 of one system over the queries that both sides scored.

    Attributes:
        interval: 95 % bootstrap interval of the mean difference.
        p: two-sided, of the paired randomisation test; None where every query scores the same in both.
        p_holm: the same, corrected for the number of systems tested. A system that is equal on every query is not
            among them: the test keeps the size of each difference, so it can never reject there.
    """

    interval: list[float] = field(default_factory=lambda: [0.0, 0.0])
    p: float | None = None
    p_holm: float | None = None
    better: int = 0
    worse: int = 0
    equal: int = 0


@dataclass(frozen=True)
class QueryMove:
    """A query in A and in B: nDCG@10 of the final system, and the rank of the first relevant video it found."""

    query_id: str
    text: str | None
    type: str | None
    language: str | None
    a: float
    b: float
    difference: float
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True)
class EffectDifference:
    """Effectiveness in A and in B.

    Attributes:
        final: the system that the moves and slices are of: the best trained that both have.
        means: by system and measure; each side over its own queries.
        paired: by system; over the common queries.
        only_a, only_b: queries that one side scored.
        systems_a, systems_b: systems that one side has.
        settings: resamples, permutations and seed, as A's evaluate stage has them.
        moves: the queries whose nDCG@10 differs, the largest difference first.
        slices: by facet (query_type, query_language) and value; a facet of which nothing is known is left out.
    """

    final: str
    means: dict[str, dict[str, Means]]
    paired: dict[str, Paired]
    only_a: list[str]
    only_b: list[str]
    systems_a: list[str]
    systems_b: list[str]
    settings: dict[str, int]
    moves: list[QueryMove]
    slices: dict[str, dict[str, Means]]


def effect_difference(pair: Pair) -> EffectDifference | None:
    """Compare scores; None where every query scores the same. Raises UserError where they cannot be compared."""
    if pair.same(scores.FOLDER / scores.PER_QUERY):
        return None
    a, b = pair.each(_scores)
    return compare_scores(a, b, queries_of(pair, "test"), _settings(pair.a.execution(FINAL)))


def compare_scores(a: Values, b: Values, queries: Mapping[str, Query], settings: Mapping[str, int]) -> EffectDifference:
    """Compare values by system, query and measure; `queries` are what is known of them, by id.

    Raises UserError where the sides have no system, or no query, in common.
    """
    systems = [name for name in SYSTEMS if name in a and name in b]
    common = sorted(set.intersection(*(set(side[name]) for side in (a, b) for name in systems))) if systems else []
    if not common:
        raise UserError("A and B scored no query in common, or no system: their scores stand side by side only")
    final = systems[0]
    moves = [_move(one, a[final][one], b[final][one], queries.get(one)) for one in common]
    return EffectDifference(
        final=final,
        means={name: {one: _means(a[name], b[name], one) for one in MEASURES} for name in systems},
        paired=_paired(a, b, systems, common, settings),
        only_a=sorted(a[final].keys() - b[final].keys()),
        only_b=sorted(b[final].keys() - a[final].keys()),
        systems_a=[name for name in SYSTEMS if name in a and name not in b],
        systems_b=[name for name in SYSTEMS if name in b and name not in a],
        settings=dict(settings),
        moves=sorted((one for one in moves if one.difference), key=lambda one: (-abs(one.difference), one.query_id)),
        slices={
            f"query_{facet}": _slices(moves, facet)
            for facet in ("type", "language")
            if any(getattr(one, facet) for one in moves)
        },
    )


def _scores(lineage: Lineage) -> Values:
    folder = lineage.need(scores.FOLDER / scores.PER_QUERY, scores.FOLDER / scores.METRICS).parent
    found: Values = defaultdict(dict)
    for one in read_per_query(folder):
        found[one.system][one.query_id] = one.values
    if not found:
        raise UserError(f"no query is scored: {read_scores(folder).note}")
    return dict(found)


def _settings(execution: Execution) -> dict[str, int]:
    try:
        return {name: int(execution.param(key)) for name, key in SETTINGS.items()}
    except (KeyError, TypeError) as error:
        raise UserError(f"A's evaluate records no param {error}; it was made by another version") from None


def _means(a: Mapping[str, Mapping[str, float]], b: Mapping[str, Mapping[str, float]], measure: str) -> Means:
    of_a, of_b = (fmean(one[measure] for one in side.values()) for side in (a, b))
    return Means(of_a, of_b, of_b - of_a)


def _paired(
    a: Values, b: Values, systems: Sequence[str], common: Sequence[str], settings: Mapping[str, int]
) -> dict[str, Paired]:
    from tasks.evaluate.significance import holm, interval, randomisation_p

    apart = {name: [_apart(a[name][one], b[name][one]) for one in common] for name in systems}
    p_values: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    for name in progress([name for name in systems if any(apart[name])], "tests", unit="system"):
        p_values[name] = randomisation_p(apart[name], settings["permutations"], settings["seed"])
        intervals[name] = interval(apart[name], settings["resamples"], settings["seed"])
    corrected = holm(p_values)
    found = {}
    for name, values in apart.items():
        mean, difference = fmean(a[name][one][HEADLINE] for one in common), fmean(values)
        better, worse = sum(one > 0 for one in values), sum(one < 0 for one in values)
        tests = intervals.get(name, [0.0, 0.0]), p_values.get(name), corrected.get(name)
        counts = better, worse, len(values) - better - worse
        found[name] = Paired(mean, mean + difference, difference, len(values), *tests, *counts)
    return found


def _apart(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """nDCG@10 of B less that of A; exactly 0 where they are equal but for rounding."""
    difference = b[HEADLINE] - a[HEADLINE]
    return 0.0 if abs(difference) < ALIKE else difference


def _move(query_id: str, a: Mapping[str, float], b: Mapping[str, float], query: Query | None) -> QueryMove:
    text, kind, language = (query.text, query.type, query.language) if query else (None, None, None)
    rank_a, rank_b = (round(1 / side["RR"]) if side["RR"] else None for side in (a, b))
    return QueryMove(query_id, text, kind, language, a[HEADLINE], b[HEADLINE], _apart(a, b), rank_a, rank_b)


def _slices(moves: Sequence[QueryMove], facet: str) -> dict[str, Means]:
    parts: dict[str, list[QueryMove]] = defaultdict(list)
    for one in moves:
        parts[getattr(one, facet) or UNKNOWN].append(one)
    found = {}
    for value, part in sorted(parts.items()):
        a, b = fmean(one.a for one in part), fmean(one.b for one in part)
        found[value] = Means(a, b, b - a, len(part))
    return found
