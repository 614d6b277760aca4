"""Whether queries score better where the negatives of training queries like them are better: an association.

Training queries are not scored, so negatives cannot be set beside their own query's score. What is set side by side,
for every test query: its nDCG@10 (of the tuned model, and how much that is above the base model's) and the mean quality
of the negatives of the `NEIGHBOURS` training queries most like it. Most like are those whose text BM25 ranks first for
the test query's text, among training queries of the same language and type where both are known; of the same event
before all others. A test query that shares no word and no event with a training query is left out, and counted.

Spearman's rho with a permutation p, Holm-corrected over all associations. Neighbours are shared between test queries,
so these are not independent and p is somewhat too small. Language and type of a query decide both sides; the second
p permutes within groups of equal language and type, where they cannot. Neither says that negatives are the cause.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from tasks.evaluate.significance import holm
from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import ranked
from tasks.shared.runtime.progress import progress

NEIGHBOURS = 10
FEW = 30  # below so many queries a rank correlation says little
PERMUTATIONS = 9_999
DIGITS = 9  # of what is ranked: sums in another order differ in the last bits
BATCH = 1 << 21  # numbers permuted at once
QUALITIES = {
    "gap": "the weakest scored positive's score less the hardest negative's",
    "too close": "share of the negatives above 95 % of the weakest scored positive",
    "suspects": "share of the negatives of the query's event or like one of its positives",
    "kept": "negatives found, of those wanted",
    "same language": "share of the negatives in the query's language",
}
EFFECTS = {"tuned": f"{HEADLINE} of the tuned model", "gain": f"{HEADLINE} of the tuned model less the base model's"}


@dataclass(frozen=True)
class Association:
    """Spearman's rank correlation of a quality with an effect over `queries` test queries.

    Attributes:
        rho, p: p by permutation, Holm-corrected; None where one of the two is constant.
        rho_within, p_within: the same within groups of queries of equal language and type.
    """

    quality: str
    effect: str
    queries: int
    rho: float | None
    p: float | None
    rho_within: float | None
    p_within: float | None


@dataclass(frozen=True)
class Effectiveness:
    """What goes together, over `queries` test queries; `left_out` are those with no training query like them."""

    queries: int
    left_out: int
    neighbours: int
    associations: list[Association]


def effectiveness_of(data: NegativesData, facts: Iterable[Fact]) -> Effectiveness | None:
    """Set quality beside scores; None where a state has no negatives or no scores of tuned and base."""
    by_query: dict[str, list[Fact]] = {one.query_id: [] for one in data.mined}
    for fact in facts:
        by_query[fact.query_id].append(fact)
    quality = {query_id: quality_of(found, data.param("mine.keep")) for query_id, found in by_query.items()}
    scores = {(one.query_id, one.system): one.values[HEADLINE] for one in data.scores or []}
    scored = [one for one in data.test_queries if {(one.query_id, "tuned"), (one.query_id, "base")} <= scores.keys()]
    if not quality or not scored:
        return None
    near = neighbours([data.queries[query_id] for query_id in quality], scored)
    compared = [one for one in scored if near[one.query_id]]
    if len(compared) < FEW:
        data.notes.append(f"only {len(compared)} test queries are compared: a rank correlation says little below {FEW}")
    tuned = np.array([scores[one.query_id, "tuned"] for one in compared])
    base = np.array([scores[one.query_id, "base"] for one in compared])
    means = [
        [_mean(column) for column in zip(*(quality[each] for each in near[one.query_id]), strict=True)]
        for one in compared
    ]
    kinds = [(one.language, one.type) for one in compared]
    found = []
    for column, name in enumerate(progress(QUALITIES, "rank correlations", unit="quality")):
        x = np.round([one[column] for one in means], DIGITS)
        known = np.flatnonzero(~np.isnan(x))
        groups = [kinds[one] for one in known]
        for effect, y in zip(EFFECTS, (tuned, np.round(tuned - base, DIGITS)), strict=True):
            free = rank_correlation(x[known], y[known], [None] * len(known), data.param("run.seed"))
            within = rank_correlation(x[known], y[known], groups, data.param("run.seed"))
            found.append(Association(name, effect, len(known), *free, *within))
    corrected = zip(found, _holm([one.p for one in found]), _holm([one.p_within for one in found]), strict=True)
    return Effectiveness(
        queries=len(compared),
        left_out=len(scored) - len(compared),
        neighbours=NEIGHBOURS,
        associations=[replace(one, p=p, p_within=p_within) for one, p, p_within in corrected],
    )


def quality_of(facts: Sequence[Fact], keep: int) -> list[float]:
    """The quality of a query's negatives in the order of QUALITIES, NaN for what is unknown."""
    return [
        min((one.gap for one in facts if one.gap is not None), default=np.nan),
        _mean([one.too_close for one in facts if one.band != "unchecked"]),
        _mean([one.suspect for one in facts]),
        len(facts) / keep if keep else np.nan,
        _mean([one.language == "same" for one in facts if one.language != "unknown"]),
    ]


def neighbours(training: Sequence[Query], wanted: Sequence[Query]) -> dict[str, list[str]]:
    """By query wanted, the ids of the training queries most like it, the most like first; see the module's text."""
    groups: dict[Hashable, list[Query]] = defaultdict(list)
    for one in training:
        groups[one.language, one.type].append(one)
    indexes: dict[Hashable, tuple[list[Query], BM25]] = {}
    found: dict[str, list[str]] = {}
    for query in progress(wanted, "similar queries", total=len(wanted), unit="query"):
        key: Hashable = (query.language, query.type)
        if query.language is None or query.type is None or key not in groups:
            key = None  # all training queries
        if key not in indexes:
            pool = list(training) if key is None else groups[key]
            indexes[key] = pool, BM25({one.query_id: one.text for one in pool})
        pool, index = indexes[key]
        ranking = ranked(index.ids, index.scores(query.text), NEIGHBOURS)
        same = [one.query_id for one in pool if query.event is not None and one.event == query.event]
        alike = [query_id for query_id, score in ranking.items() if score > 0]
        found[query.query_id] = list(dict.fromkeys([*sorted(same), *alike]))[:NEIGHBOURS]
    return found


def rank_correlation(
    x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, groups: Sequence[Hashable], seed: int
) -> tuple[float | None, float | None]:
    """Spearman's rho (Spearman 1904) and its two-sided p by permutations within the groups (Good 2005, ch. 3).

    Ranks are taken less their group's mean. The observed order counts as one of the permutations, so p is at least
    2 / (permutations + 1). None for fewer than three pairs, and where one side does not vary within groups.
    """
    from scipy import stats

    numbers: dict[Hashable, int] = {}
    group = np.array([numbers.setdefault(one, len(numbers)) for one in groups], np.int64)
    if len(group) < 3:
        return None, None
    a, b = (
        ranks - (np.bincount(group, ranks) / np.bincount(group))[group]
        for ranks in (stats.rankdata(x), stats.rankdata(y))
    )
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if scale < 1e-9:
        return None, None
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(group == number) for number in range(len(numbers))]

    def permuted(size: tuple[int, int]) -> np.ndarray:
        drawn = np.empty(size)
        for places in members:
            drawn[:, places] = rng.permuted(np.broadcast_to(b[places], (size[0], len(places))), axis=1)
        return drawn

    tested = stats.monte_carlo_test(
        b, permuted, lambda values, axis: (values * a).sum(axis) / scale,
        vectorized=True, n_resamples=PERMUTATIONS, batch=max(1, BATCH // len(b)),
    )  # fmt: skip
    return float(tested.statistic), float(tested.pvalue)


def _holm(ps: Sequence[float | None]) -> list[float | None]:
    corrected = holm({str(place): p for place, p in enumerate(ps) if p is not None})
    return [corrected.get(str(place)) for place in range(len(ps))]


def _mean(values: Iterable[float]) -> float:
    """The mean of what is known; NaN of nothing."""
    known = [one for one in values if not np.isnan(one)]
    return sum(known) / len(known) if known else np.nan
