"""Whether queries score better where the negatives of training queries like them are better: an association.

Training queries are not scored, so negatives cannot be set beside their own query's score. What is set side by side,
for every test query: its nDCG@10 (of the tuned model, and how much that is above the base model's) and the mean quality
of the negatives of the `NEIGHBOURS` training queries most like it. Most like are those whose text BM25 ranks first for
the test query's text, among training queries of the same language and type where both are known; of the same event
before all others. A test query that shares no word and no event with a training query is left out, and counted.

Spearman's rho with a permutation p, Holm-corrected over all tests of the table. Neighbours are shared between test
queries, so these are not independent and p is somewhat too small. Language and type of a query decide both sides;
the second p permutes within groups of equal language and type, where they cannot. Neither says that negatives are the
cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tasks.audit.negatives.association import Association, associate
from tasks.audit.negatives.facts import Fact
from tasks.audit.negatives.material import Material
from tasks.evaluate.significance import holm
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import ranked
from tasks.shared.runtime.progress import progress

NEIGHBOURS = 10
FEW = 30  # below so many pairs a rank correlation says little
QUALITIES = {
    "gap": "the weakest scored positive's score less the hardest negative's",
    "violations": "share of the negatives above 95 % of the weakest scored positive",
    "suspects": "share of the negatives of the query's event or like one of its positives",
    "kept": "negatives found, of those wanted",
    "same language": "share of the negatives in the query's language",
}
EFFECTS = {"tuned": f"{HEADLINE} of the tuned model", "gain": f"{HEADLINE} of the tuned model less the base model's"}
FACETS: dict[str, Callable[[Query], str | None]] = {"type": lambda one: one.type, "language": lambda one: one.language}

EVERYBODY = (None, None)  # language and type of the pool that a query without its own pool looks in

Quality = dict[str, float]  # by name of QUALITIES, those that can be told
Effect = dict[str, float]  # by name of EFFECTS


@dataclass(frozen=True)
class Test:
    """One quality against one effect; p_holm and p_within_holm are corrected over all tests of their unit."""

    quality: str
    effect: str
    found: Association
    p_holm: float | None = None
    p_within_holm: float | None = None


@dataclass(frozen=True)
class Group:
    """Queries of one type or language: how many of each split, mean quality and mean effect where there are any."""

    facet: str
    value: str
    training: int
    test: int
    quality: Quality
    effect: Effect


@dataclass(frozen=True)
class Effectiveness:
    """What goes together.

    Attributes:
        queries: test queries compared; left_out: those with nothing like them among the training queries.
        tests: over test queries; group_tests: over groups of equal type and language (mean quality, mean effect).
        groups: the means by type and by language.
        warning: where there are too few to say much.
    """

    queries: int
    left_out: int
    neighbours: int
    tests: list[Test]
    groups: list[Group]
    group_tests: list[Test]
    warning: str | None


def effectiveness(material: Material, facts: Sequence[Fact]) -> Effectiveness | None:
    """Set quality beside scores; None, and a note in the material, where that cannot be done."""
    effects = _effects(material)
    if not effects:
        if material.scores is not None:
            material.notes.append("the effect on scores cannot be told: no test query was scored by tuned and base")
        return None
    quality = qualities(material, facts)
    if not quality:
        material.notes.append("the effect on scores cannot be told: there are no mined negatives")
        return None
    scored = [one for one in material.tested if one.query_id in effects]
    near = neighbours([material.queries[query_id] for query_id in quality], scored)
    compared = [one for one in scored if near[one.query_id]]
    tests = _corrected(
        _tests(
            {one.query_id: _mean(quality[other] for other in near[one.query_id]) for one in compared},
            effects,
            {one.query_id: (one.language, one.type) for one in compared},
            material.seed,
        )
    )
    group_tests = _group_tests(material, quality, effects, scored)
    few = len(compared) < FEW
    return Effectiveness(
        queries=len(compared),
        left_out=len(scored) - len(compared),
        neighbours=NEIGHBOURS,
        tests=tests,
        groups=[group for facet in FACETS for group in _groups(material, quality, effects, facet)],
        group_tests=group_tests,
        warning=f"only {len(compared)} test queries: a rank correlation says little below {FEW}" if few else None,
    )


def qualities(material: Material, facts: Iterable[Fact]) -> dict[str, Quality]:
    """The quality of every training query's negatives, what can be told of it, by query id."""
    by_query: dict[str, list[Fact]] = defaultdict(list)
    for one in facts:
        by_query[one.query_id].append(one)
    return {one.query_id: _quality(by_query[one.query_id], material.keep) for one in material.mined}


def _quality(facts: list[Fact], keep: int) -> Quality:
    found: Quality = {"kept": len(facts) / keep} if keep else {}
    if gaps := [one.gap for one in facts if one.gap is not None]:
        found["gap"] = min(gaps)
    if checked := [one for one in facts if one.band != "unchecked"]:
        found["violations"] = sum(one.violates for one in checked) / len(checked)
    if facts:
        found["suspects"] = sum(one.suspect for one in facts) / len(facts)
    if known := [one for one in facts if one.language != "unknown"]:
        found["same language"] = sum(one.language == "same" for one in known) / len(known)
    return found


def neighbours(training: Sequence[Query], asked: Sequence[Query]) -> dict[str, list[str]]:
    """By query asked, the ids of the training queries most like it, the most like first; see the module's text."""
    groups: dict[tuple[str | None, str | None], list[Query]] = defaultdict(list)
    for one in training:
        groups[one.language, one.type].append(one)
    groups[EVERYBODY] = list(training)
    pools: dict[tuple[str | None, str | None], tuple[list[Query], BM25]] = {}
    found: dict[str, list[str]] = {}
    for query in progress(asked, "queries alike", total=len(asked), unit="query"):
        key = (query.language, query.type)
        if None in key or key not in groups:
            key = EVERYBODY
        if key not in pools:
            pools[key] = groups[key], BM25({one.query_id: one.text for one in groups[key]})
        pool, index = pools[key]
        ranking = ranked(index.ids, index.scores(query.text), NEIGHBOURS)
        same = [one.query_id for one in pool if query.event is not None and one.event == query.event]
        alike = [query_id for query_id, score in ranking.items() if score > 0]
        found[query.query_id] = list(dict.fromkeys([*sorted(same), *alike]))[:NEIGHBOURS]
    return found


def _effects(material: Material) -> dict[str, Effect]:
    by_query: dict[str, dict[str, float]] = defaultdict(dict)
    for one in material.scores or []:
        by_query[one.query_id][one.system] = one.values[HEADLINE]
    return {
        query_id: {"tuned": values["tuned"], "gain": values["tuned"] - values["base"]}
        for query_id, values in by_query.items()
        if {"tuned", "base"} <= set(values)
    }


def _tests(
    quality: Mapping[Any, Quality], effects: Mapping[Any, Effect], groups: Mapping[Any, Any] | None, seed: int
) -> list[Test]:
    found = []
    for name in progress(QUALITIES, "rank correlations", unit="quality"):
        told = [one for one, values in quality.items() if name in values]
        for effect in EFFECTS:
            pairs = associate(
                [quality[one][name] for one in told],
                [effects[one][effect] for one in told],
                None if groups is None else [groups[one] for one in told],
                seed,
            )
            found.append(Test(name, effect, pairs))
    return found


def _corrected(tests: list[Test]) -> list[Test]:
    free = holm({str(place): one.found.p for place, one in enumerate(tests) if one.found.p is not None})
    within = holm({str(place): one.found.p_within for place, one in enumerate(tests) if one.found.p_within is not None})
    return [
        replace(one, p_holm=free.get(str(place)), p_within_holm=within.get(str(place)))
        for place, one in enumerate(tests)
    ]


def _group_tests(
    material: Material, quality: Mapping[str, Quality], effects: Mapping[str, Effect], scored: Iterable[Query]
) -> list[Test]:
    """Over groups of equal type and language that both splits have."""

    def key(query: Query) -> tuple[str | None, str | None]:
        return query.type, query.language

    trained: dict[Any, list[Quality]] = defaultdict(list)
    for query_id, values in quality.items():
        trained[key(material.queries[query_id])].append(values)
    tested: dict[Any, list[Effect]] = defaultdict(list)
    for query in scored:
        tested[key(query)].append(effects[query.query_id])
    both = [one for one in trained if one in tested and None not in one]
    return _corrected(
        _tests(
            {one: _mean(trained[one]) for one in both}, {one: _mean(tested[one]) for one in both}, None, material.seed
        )
    )


def _groups(
    material: Material, quality: Mapping[str, Quality], effects: Mapping[str, Effect], facet: str
) -> list[Group]:
    value_of = FACETS[facet]
    trained: dict[str, list[Quality]] = defaultdict(list)
    for query_id, values in quality.items():
        trained[value_of(material.queries[query_id]) or "unknown"].append(values)
    tested: dict[str, list[Effect]] = defaultdict(list)
    for query in material.tested:
        if query.query_id in effects:
            tested[value_of(query) or "unknown"].append(effects[query.query_id])
    return [
        Group(facet, value, len(trained[value]), len(tested[value]), _mean(trained[value]), _mean(tested[value]))
        for value in sorted({*trained, *tested})
    ]


def _mean(values: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The mean by name, over those that have it."""
    found: dict[str, list[float]] = defaultdict(list)
    for one in values:
        for name, value in one.items():
            found[name].append(value)
    return {name: sum(numbers) / len(numbers) for name, numbers in found.items()}
