"""Effectiveness of two states: the pairing, against numbers by hand and SciPy's permutation test."""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import pytest
from scipy.stats import permutation_test

from tasks.audit.diff.effect import EffectDifference, Paired, Values, compare_scores
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE, MEASURES
from tasks.shared.runtime.errors import UserError

SETTINGS = {"resamples": 2000, "permutations": 20000, "seed": 7}


def values(**systems: dict[str, float]) -> Values:
    """Every measure of a query has the value that is given."""
    return {
        name: {query: dict.fromkeys(MEASURES, value) for query, value in of.items()} for name, of in systems.items()
    }


def compared(a: Values, b: Values, queries: dict[str, Query] | None = None) -> EffectDifference:
    return compare_scores(a, b, queries or {}, SETTINGS)


def by_name(found: EffectDifference) -> dict[str, Paired]:
    return {one.of: one for one in found.paired}


def test_means_pairs_and_moves_by_hand() -> None:
    a = values(tuned={"q1": 1.0, "q2": 0.5, "q3": 0.0, "gone": 0.1}, bm25={"q1": 0.2, "q2": 0.2, "q3": 0.2, "gone": 0})
    b = values(tuned={"q1": 0.5, "q2": 0.5, "q3": 0.25, "new": 1.0}, bm25={"q1": 0.2, "q2": 0.2, "q3": 0.2, "new": 1})
    queries = {
        "q1": Query("q1", "first", "ar", "ocr", "test", None),
        "q3": Query("q3", "third", "en", "ocr", "test", None),
    }
    found = compared(a, b, queries)
    assert found.alone == {"A": ["gone"], "B": ["new"]}
    means = {(one["system"], one["measure"]): one for one in found.means}
    assert means["tuned", "AP"]["a"] == pytest.approx(1.6 / 4)
    assert means["tuned", "AP"]["b"] == pytest.approx(2.25 / 4)
    assert means["tuned", "AP"]["difference"] == pytest.approx(0.65 / 4)
    paired = by_name(found)
    assert [*paired][:2] == ["tuned", "bm25"]
    tuned, bm25 = paired["tuned"], paired["bm25"]
    assert (tuned.queries, tuned.better, tuned.worse) == (3, 1, 1)
    assert (tuned.a, tuned.b, tuned.difference) == pytest.approx((0.5, 1.25 / 3, -0.25 / 3))
    assert (bm25.p, bm25.p_holm, bm25.low, bm25.difference) == (None, None, None, 0.0)
    assert tuned.p_holm == tuned.p  # one system is tested
    moves = [(one["query_id"], one["text"], one["rank_a"], one["rank_b"]) for one in found.moves]
    assert moves == [("q1", "first", 1, 2), ("q3", "third", None, 4)]
    slices = {name: (one.queries, one.difference) for name, one in paired.items() if name.startswith("query ")}
    assert slices == {
        "query type: ocr": (2, -0.125),
        "query type: unknown": (1, 0.0),
        "query language: ar": (1, -0.5),
        "query language: en": (1, 0.25),
        "query language: unknown": (1, 0.0),
    }


def test_p_is_that_of_the_exact_test_and_of_scipy() -> None:
    rng = np.random.default_rng(0)
    before, after = rng.random(10), rng.random(10)
    ids = [f"q{n}" for n in range(10)]
    (found,) = compared(
        values(tuned=dict(zip(ids, before, strict=True))), values(tuned=dict(zip(ids, after, strict=True)))
    ).paired
    differences = after - before
    sums = np.array([np.dot(signs, differences) for signs in product((-1, 1), repeat=10)])
    exact = float((np.abs(sums) >= abs(differences.sum()) - 1e-12).mean())
    assert found.p == pytest.approx(exact, abs=0.015)  # 20,000 random permutations
    theirs = permutation_test(
        (after, before), lambda x, y: np.mean(x - y), permutation_type="samples", n_resamples=np.inf
    )
    assert exact == pytest.approx(theirs.pvalue)
    assert found.low is not None and found.high is not None
    assert found.low < differences.mean() < found.high


def test_holm_counts_the_systems_that_moved() -> None:
    rng = np.random.default_rng(3)
    ids = [f"q{n}" for n in range(40)]
    a = {name: dict(zip(ids, rng.random(40), strict=True)) for name in ("tuned", "base")}
    b = {name: {one: value + shift for one, value in a[name].items()} for name, shift in (("tuned", 0.1), ("base", 0))}
    b["base"] = {one: value + rng.normal(0, 0.1) for one, value in a["base"].items()}
    same = {"bm25": dict.fromkeys(ids, 0.5)}
    found = by_name(compared(values(**a, **same), values(**b, **same)))
    assert found["tuned"].p is not None and found["base"].p is not None and found["bm25"].p is None
    low, high = sorted([found["tuned"], found["base"]], key=lambda one: one.p or 0)
    assert low.p_holm == pytest.approx(min(1.0, 2 * (low.p or 0)))
    assert high.p_holm == pytest.approx(max(low.p_holm or 0, high.p or 0))


def test_systems_of_one_side_are_named_and_nothing_in_common_is_said() -> None:
    both = compared(values(base={"q": 1.0}), values(tuned={"q": 1.0}, base={"q": 0.5}))
    assert [one.of for one in both.paired] == ["base"] and both.alone == {"A": [], "B": ["tuned"]}
    for other in (values(base={"r": 1.0}), values(tuned={"q": 1.0})):
        with pytest.raises(UserError, match="in common"):
            compared(values(base={"q": 1.0}), other)


def test_time_grows_with_the_queries_and_not_faster() -> None:
    def seconds(count: int) -> float:
        rng = np.random.default_rng(1)
        sides = [
            {"tuned": {f"q{n}": dict.fromkeys(MEASURES, one) for n, one in enumerate(rng.random(count))}}
            for _ in range(2)
        ]
        start = time.process_time()
        found = compare_scores(*sides, {}, {"resamples": 20, "permutations": 20, "seed": 1})
        assert found.paired[0].queries == count and len(found.moves) == count
        assert found.moves[0]["a"] == sides[0]["tuned"][found.moves[0]["query_id"]][HEADLINE]
        return time.process_time() - start

    seconds(1_000)  # imports
    assert seconds(40_000) < 40 * seconds(4_000)
