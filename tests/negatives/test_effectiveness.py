"""Rank correlation against scipy, and whose negatives are set beside whose scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tasks.evaluate.significance import holm
from tasks.lineage.open import workspace
from tasks.negatives.audit import audit_negatives
from tasks.negatives.data import read_data
from tasks.negatives.effectiveness import PERMUTATIONS, neighbours, rank_correlation
from tests.negatives.small_results import lay, mined, query, scored, video

EFFECTS = {"tuned": [0.9, 0.7, 0.5, 0.3], "gain": [0.4, 0.6, 0.4, 0.1]}  # of four test queries


def alone(x: Sequence[float], y: Sequence[float], seed: int = 0) -> tuple[float | None, float | None]:
    """All pairs in one group."""
    return rank_correlation(x, y, [None] * len(x), seed)


@pytest.mark.parametrize("seed", range(5))
def test_rho_is_spearmans(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 40), rng.normal(size=40).round(1)
    expected = stats.spearmanr(x, y)
    assert alone(x.tolist(), y.tolist(), seed) == (
        pytest.approx(expected.statistic, abs=1e-12),
        pytest.approx(expected.pvalue, abs=0.03),
    )


def test_p_where_few_orders_are_possible() -> None:
    assert alone([1, 2, 3, 4], [1, 2, 3, 4]) == (pytest.approx(1), pytest.approx(2 / 24, abs=0.02))


def test_groups_that_explain_all() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 30)
    x, y = 10 * group + rng.normal(size=90), 10 * group + rng.normal(size=90)
    _, p = alone(x.tolist(), y.tolist())
    rho_within, p_within = rank_correlation(x, y, group.tolist(), 0)
    assert p is not None and p < 0.001
    assert p_within is not None and p_within > 0.05
    assert rho_within is not None and abs(rho_within) < 0.3


def test_an_order_within_groups_is_found() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1], 30)
    x = rng.normal(size=60)
    y = 0.3 * rng.normal(size=60) + x + 5 * group
    assert rank_correlation(x, y, group.tolist(), 0)[1] == pytest.approx(2 / (PERMUTATIONS + 1))


def test_only_orders_within_groups_are_drawn() -> None:
    _, p = rank_correlation([1, 2, 3, 4], [1, 2, 3, 4], ["a", "a", "b", "b"], 0)
    assert p == pytest.approx(2 / 4, abs=0.03)  # both groups as they are or both turned, of four orders


def test_what_does_not_vary_has_no_rho() -> None:
    assert alone([1, 1, 1, 1], [1, 2, 3, 4]) == (None, None)
    assert alone([1, 2], [1, 2]) == (None, None)
    assert alone([1, 1, 2, 2], [1, 1, 2, 2])[0] == pytest.approx(1)
    assert rank_correlation([1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 1, 1], 0) == (None, None)


def test_neighbours_are_of_the_same_language_and_type_and_event() -> None:
    training = [
        query("boat en", "a red boat", language="en", type="base"),
        query("boat ocr", "a red boat", language="en", type="ocr"),
        query("car en", "a blue car", language="en", type="base", event="flood"),
        query("boat es", "un boat rojo", language="es", type="base"),
    ]
    asked = [
        query("1", "the red boat", language="en", type="base"),
        query("2", "the red boat", language="en", type="base", event="flood"),
        query("3", "red boat"),  # nothing known: all are asked
        query("4", "boat", language="ko", type="base"),  # no such training query: all are asked
        query("5", "zebra", language="en", type="base"),
    ]
    found = neighbours(training, asked)
    assert found["1"] == ["boat en"]
    assert found["2"] == ["car en", "boat en"]
    assert set(found["3"]) == {"boat en", "boat ocr", "boat es"}
    assert set(found["4"]) == {"boat en", "boat ocr", "boat es"}
    assert found["5"] == []


def test_design_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    kinds = ("boat", "car", "dog", "cow")
    lay(
        tmp_path,
        [video(name) for name in "abcd"],
        [
            *(query(f"train-{kind}", f"a {kind}", language="en", type=kind) for kind in kinds),
            *(query(f"test-{kind}", f"the {kind}", "test", language="en", type=kind) for kind in kinds),
            query("test-zebra", "zebra", "test", language="en", type="boat"),
        ],
        [  # weakest positive less hardest negative: 0.1, 0.2, 0.3, 0.4
            mined(f"train-{kind}", {"b": 0.5 - gap / 10, "c": 0.0}, {"a": 0.5}) for gap, kind in enumerate(kinds, 1)
        ],
        exposures=[],
        scores=[
            *scored("test-boat", 0.9, 0.5), *scored("test-car", 0.7, 0.1), *scored("test-dog", 0.5, 0.1),
            *scored("test-cow", 0.3, 0.2), *scored("test-zebra", 0.1, 0.1),
        ],
    )  # fmt: skip
    audit = audit_negatives(read_data(workspace()))
    found = audit["effectiveness"]
    assert found is not None
    assert (found["queries"], found["left_out"]) == (4, 1)
    assert any("only 4 test queries are compared" in note for note in audit["notes"])
    by_name = {(one["quality"], one["effect"]): one for one in found["associations"]}
    gap, gain = by_name["gap", "tuned"], by_name["gap", "gain"]
    assert (gap["queries"], gap["rho"]) == (4, pytest.approx(-1))
    assert gap["rho_within"] is None  # every group has one query
    assert gain["rho"] == pytest.approx(stats.spearmanr([1, 2, 3, 4], [0.4, 0.6, 0.4, 0.1]).statistic)
    assert by_name["too close", "tuned"]["rho"] is None  # none is
    alone_p = {name: alone([1, 2, 3, 4], values, 7)[1] for name, values in EFFECTS.items()}
    corrected = holm({effect: p for effect, p in alone_p.items() if p is not None})
    assert {"tuned": gap["p"], "gain": gain["p"]} == pytest.approx(corrected, abs=0.03)


def test_without_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.1}, {"a": 0.5})], exposures=[])
    found = audit_negatives(read_data(workspace()))
    assert found["effectiveness"] is None
    assert any("the effect on scores: unknown" in note for note in found["notes"])
