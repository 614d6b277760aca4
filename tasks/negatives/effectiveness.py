"""Whether queries score better where the negatives of training queries like them are better: an association.

Training queries are not scored. So for every test query its nDCG@10 (of the tuned model, and how much that is above the
base model's) is set beside the mean quality of the negatives of the `NEIGHBOURS` training queries most like it: those
of its event first, then those whose text BM25 ranks first, of the same language and type where these are known. A test
query that shares no word and no event with a training query is left out, and counted.

Spearman's rho with a permutation p, Holm-corrected over all associations. Neighbours are shared between test queries,
so p is somewhat too small. Language and type of a query decide both sides; the second p permutes within groups of equal
language and type, where they cannot. Neither says that negatives are the cause.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from heapq import nlargest
from typing import Any

import numpy as np

from tasks.evaluate.significance import holm
from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.retrieval.bm25 import BM25
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


def effectiveness_of(data: NegativesData, facts: Iterable[Fact]) -> dict[str, Any] | None:
    """Set quality beside scores; None where a state has no negatives or no scores of tuned and base.

    rho and p are Spearman's, None where one side is constant; `left_out` are test queries no training query is like.
    """
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
    tuned, base = (np.array([scores[one.query_id, system] for one in compared]) for system in ("tuned", "base"))
    rows: list[dict[str, Any]] = []
    for name in progress(QUALITIES, "rank correlations", unit="quality"):
        means = [_mean(quality[each][name] for each in near[one.query_id]) for one in compared]
        x = np.round(np.array(means), DIGITS)
        known = np.flatnonzero(~np.isnan(x))
        groups = [(compared[place].language, compared[place].type) for place in known]
        for effect, y in zip(EFFECTS, (tuned, np.round(tuned - base, DIGITS)), strict=True):
            rho, p = rank_correlation(x[known], y[known], [None] * len(known), data.param("run.seed"))
            within, p_within = rank_correlation(x[known], y[known], groups, data.param("run.seed"))
            numbers = {"rho": rho, "p": p, "rho_within": within, "p_within": p_within}
            rows.append({"quality": name, "effect": effect, "queries": len(known), **numbers})
    for column in ("p", "p_within"):
        corrected = holm({str(place): row[column] for place, row in enumerate(rows) if row[column] is not None})
        for place, p in corrected.items():
            rows[int(place)][column] = p
    return {
        "about": "an association, which is no proof of a cause; p by permutation, Holm-corrected; within groups of "
        "queries of equal language and type where it says so",
        "queries": len(compared),
        "left_out": len(scored) - len(compared),
        "neighbours": NEIGHBOURS,
        "meaning": QUALITIES | EFFECTS,
        "associations": rows,
    }


def quality_of(facts: Sequence[Fact], keep: int) -> dict[str, float]:
    """The quality of a query's negatives by the names of QUALITIES, NaN for what is unknown."""
    return {
        "gap": min((one.gap for one in facts if one.gap is not None), default=np.nan),
        "too close": _mean(one.too_close for one in facts),
        "suspects": _mean(one.suspect for one in facts),
        "kept": len(facts) / keep if keep else np.nan,
        "same language": _mean(one.same_language for one in facts),
    }


def neighbours(training: Sequence[Query], wanted: Sequence[Query]) -> dict[str, list[str]]:
    """By query wanted, the ids of the training queries most like it, the most like first; see the module's text."""
    index = BM25({one.query_id: one.text for one in training})
    found = {}
    for query in progress(wanted, "similar queries", total=len(wanted), unit="query"):
        kind = (query.language, query.type)
        pool = [one for one in training if (one.language, one.type) == kind] if None not in kind else []
        scores = dict(zip(index.ids, index.scores(query.text).tolist(), strict=True))
        alike = [
            (query.event is not None and one.event == query.event, scores[one.query_id], one.query_id)
            for one in pool or training
        ]
        best = nlargest(NEIGHBOURS, alike)
        found[query.query_id] = [query_id for same, score, query_id in best if same or score > 0]
    return found


def rank_correlation(
    x: Sequence[float] | np.ndarray, y: Sequence[float] | np.ndarray, groups: Sequence[Hashable], seed: int
) -> tuple[float | None, float | None]:
    """Spearman's rho (Spearman 1904) and its two-sided p by permutations within the groups (Good 2005, ch. 3).

    Ranks are taken less their group's mean. The observed order counts as one of the permutations, so p is at least
    2 / (permutations + 1). None for fewer than three pairs, and where one side does not vary within groups.
    """
    from scipy import stats

    if len(groups) < 3:
        return None, None
    numbers = {one: place for place, one in enumerate(dict.fromkeys(groups))}
    group = np.array([numbers[one] for one in groups])
    order = np.argsort(group, kind="stable")
    group = group[order]
    a, b = (
        ranks - (np.bincount(group, ranks) / np.bincount(group))[group]
        for ranks in (stats.rankdata(side)[order] for side in (x, y))
    )
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if scale < 1e-9:
        return None, None
    rng = np.random.default_rng(seed)

    def permuted(size: tuple[int, int]) -> np.ndarray:
        return np.asarray(b[np.argsort(group + rng.random(size), axis=1)])  # every group stays in its places

    tested = stats.monte_carlo_test(
        b, permuted, lambda values, axis: (values * a).sum(axis) / scale,
        vectorized=True, n_resamples=PERMUTATIONS, batch=max(1, BATCH // len(b)),
    )  # fmt: skip
    return float(tested.statistic), float(tested.pvalue)


def _mean(values: Iterable[float | None]) -> float:
    """The mean of what is known; NaN of nothing."""
    known = [one for one in values if one is not None and not np.isnan(one)]
    return sum(known) / len(known) if known else np.nan
