"""What the difference does to the score: means, paired tests, and the queries that moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.audit.diff.data import QUERIES
from tasks.audit.diff.moves import QueryMove, SliceDifference, differences, moves, slices
from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution
from tasks.shared.artifacts.corpus import Query, read_queries
from tasks.shared.artifacts.scores import (
    FOLDER,
    HEADLINE,
    MEASURES,
    METRICS,
    PER_QUERY,
    SYSTEMS,
    read_per_query,
    read_scores,
)
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.progress import progress

Values = dict[str, dict[str, dict[str, float]]]  # system -> query id -> measure -> value


@dataclass(frozen=True)
class Means:
    """A mean over all queries that each side scored, and B's less A's."""

    a: float
    b: float
    difference: float


@dataclass(frozen=True)
class Paired:
    """nDCG@10 of one system over the queries that both sides scored.

    Attributes:
        a, b, difference: means over these queries.
        interval: 95 % bootstrap interval of the mean difference.
        p: two-sided, of the paired randomisation test; None where every query scores the same in both.
        p_holm: the same, corrected for the number of systems tested. A system that is equal on every query is not
            among them: the test keeps the size of each difference, so it can never reject there.
    """

    queries: int
    a: float
    b: float
    difference: float
    interval: list[float]
    p: float | None
    p_holm: float | None
    better: int
    worse: int
    equal: int


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
        slices: by facet (query_type, query_language) and value.
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
    slices: dict[str, dict[str, SliceDifference]]


def effect_difference(pair: Pair) -> EffectDifference | None:
    """Compare scores; None where every query scores the same. Raises UserError where they cannot be compared."""
    if pair.same(FOLDER / PER_QUERY):
        return None
    a, b = pair.each(_scores)
    return effect(a, b, _queries(pair), _settings(pair.a.execution("evaluate")))


def effect(a: Values, b: Values, queries: Mapping[str, Query], settings: Mapping[str, int]) -> EffectDifference:
    """Compare values by system, query and measure.

    Args:
        queries: what is known of them, by id.
        settings: `resamples`, `permutations`, `seed`.

    Raises UserError where the sides have no system, or no query, in common.
    """
    systems = [name for name in SYSTEMS if name in a and name in b]
    common = sorted(set.intersection(*(set(side[name]) for side in (a, b) for name in systems))) if systems else []
    if not common:
        raise UserError("A and B scored no query in common, or no system: their scores stand side by side only")
    final = systems[0]
    return EffectDifference(
        final=final,
        means={name: {one: _means(a[name], b[name], one) for one in MEASURES} for name in systems},
        paired=_paired({name: differences(a[name], b[name], common) for name in systems}, a, common, settings),
        only_a=sorted(a[final].keys() - b[final].keys()),
        only_b=sorted(b[final].keys() - a[final].keys()),
        systems_a=[name for name in SYSTEMS if name in a and name not in b],
        systems_b=[name for name in SYSTEMS if name in b and name not in a],
        settings=dict(settings),
        moves=moves(a[final], b[final], common, queries),
        slices=slices(a[final], b[final], common, queries),
    )


def _scores(lineage: Lineage) -> Values:
    folder = lineage.need(FOLDER / PER_QUERY, FOLDER / METRICS).parent
    found: Values = defaultdict(dict)
    for one in read_per_query(folder):
        found[one.system][one.query_id] = one.values
    if not found:
        raise UserError(f"no query is scored: {read_scores(folder).note}")
    return dict(found)


def _settings(manifest: Execution) -> dict[str, int]:
    keys = {"resamples": "evaluate.bootstrap", "permutations": "evaluate.permutations", "seed": "run.seed"}
    try:
        return {name: int(manifest.param(key)) for name, key in keys.items()}
    except (KeyError, TypeError) as error:
        raise UserError(f"A's evaluate records no param {error}; it was made by another version") from None


def _queries(pair: Pair) -> dict[str, Query]:
    """What is known of the test queries, by id, B's word first; nothing where the corpus cannot be had."""
    try:
        both = pair.read(QUERIES, lambda path: read_queries(path, "test"))
    except UserError:
        return {}
    return {one.query_id: one for queries in both for one in queries}


def _means(a: Mapping[str, Mapping[str, float]], b: Mapping[str, Mapping[str, float]], measure: str) -> Means:
    of_a, of_b = (sum(one[measure] for one in side.values()) / len(side) for side in (a, b))
    return Means(of_a, of_b, of_b - of_a)


def _paired(
    by_system: Mapping[str, list[float]], a: Values, common: Sequence[str], settings: Mapping[str, int]
) -> dict[str, Paired]:
    from tasks.evaluate.significance import holm, interval, randomisation_p

    p_values: dict[str, float] = {}
    intervals: dict[str, list[float]] = {}
    tested = [name for name, values in by_system.items() if any(values)]
    for name in progress(tested, "tests", unit="system"):
        p_values[name] = randomisation_p(by_system[name], settings["permutations"], settings["seed"])
        intervals[name] = interval(by_system[name], settings["resamples"], settings["seed"])
    corrected = holm(p_values)
    found = {}
    for name, values in by_system.items():
        mean_a = sum(a[name][query_id][HEADLINE] for query_id in common) / len(common)
        difference = sum(values) / len(values)
        found[name] = Paired(
            queries=len(values),
            a=mean_a,
            b=mean_a + difference,
            difference=difference,
            interval=intervals.get(name, [0.0, 0.0]),
            p=p_values.get(name),
            p_holm=corrected.get(name),
            better=sum(one > 0 for one in values),
            worse=sum(one < 0 for one in values),
            equal=sum(one == 0 for one in values),
        )
    return found
