"""Intervals and tests against scipy's, and against all permutations."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tasks.evaluate.significance import comparisons_of, holm, interval, randomisation_p


def test_the_interval_is_scipys() -> None:
    values = np.random.default_rng(0).beta(0.6, 0.5, 80)
    ours = interval(values.tolist(), 10_000, 7)
    theirs = stats.bootstrap(
        (values,), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.004)
    assert interval(values.tolist(), 10_000, 7) == ours != interval(values.tolist(), 10_000, 8)
    assert interval([0.25], 100, 7) == [0.25, 0.25]


def test_blocks_of_draws_leave_nothing_out(monkeypatch: pytest.MonkeyPatch) -> None:
    values = [0.0, 0.5, 1.0, 0.5]
    whole = interval(values, 1001, 7), randomisation_p(values, 1001, 7)
    monkeypatch.setattr("tasks.evaluate.significance.BLOCK", 40)
    low, high = interval(values, 1001, 7)
    assert (low, high) == pytest.approx(whole[0], abs=0.13)
    assert randomisation_p(values, 1001, 7) == pytest.approx(whole[1], abs=0.06)


@pytest.mark.parametrize(("mean", "count"), [(0.0, 40), (0.1, 40), (0.15, 40), (-0.12, 60)])
def test_p_is_scipys(mean: float, count: int) -> None:
    rng = np.random.default_rng(count)
    tuned = rng.normal(mean, 0.3, count)
    other = np.zeros(count)
    theirs = stats.permutation_test(
        (tuned, other),
        lambda x, y, axis: np.abs(np.mean(x - y, axis=axis)),
        permutation_type="samples",
        vectorized=True,
        n_resamples=10_000,
        alternative="greater",
        rng=np.random.default_rng(3),
    ).pvalue
    assert randomisation_p((tuned - other).tolist(), 10_000, 7) == pytest.approx(theirs, abs=0.02)


@settings(deadline=None)
@given(st.lists(st.sampled_from([-0.3, -0.1, 0.0, 0.1, 0.2, 0.7]), min_size=1, max_size=7))
def test_p_is_that_of_all_permutations(differences: list[float]) -> None:
    sums = [
        abs(sum(sign * one for sign, one in zip(signs, differences, strict=True)))
        for signs in product([-1, 1], repeat=len(differences))
    ]
    exact = sum(one >= abs(sum(differences)) - 1e-9 for one in sums) / len(sums)
    assert randomisation_p(differences, 4000, 7) == pytest.approx(exact, abs=0.045)


def test_p_is_never_0_and_1_where_nothing_differs() -> None:
    assert randomisation_p([0.0] * 20, 1000, 7) == 1.0
    assert randomisation_p([0.5] * 200, 1000, 7) == 1 / 1001
    assert randomisation_p([0.1, 0.2, 0.3], 1000, 7) == randomisation_p([-0.1, -0.2, -0.3], 1000, 7)


def test_holm() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06})
    assert list(holm({"b": 0.9, "a": 0.8}).items()) == [("b", 1.0), ("a", 1.0)]
    assert holm({}) == {}


def test_differences_are_tested_together() -> None:
    leads = {"a": [0.2, 0.1, 0.3, 0.1] * 5, "b": [0.1, -0.1, 0.2, -0.1] * 5}
    found = comparisons_of(leads, 1000, 7)
    p_values = {name: randomisation_p(lead, 1000, 7) for name, lead in leads.items()}
    assert {name: one.p for name, one in found.items()} == p_values
    assert {name: one.p_holm for name, one in found.items()} == holm(p_values)
    assert found["a"].p_holm == 2 * found["a"].p and found["b"].difference == pytest.approx(0.025)
