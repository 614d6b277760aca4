"""Rank correlation against scipy, and whose negatives are set beside whose scores."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tasks.audit.negatives.association import associate
from tasks.audit.negatives.audit import audit
from tasks.audit.negatives.effectiveness import neighbours
from tasks.lineage.open import workspace
from tests.audit.mined import lay, mined, query, scored, video


@pytest.mark.parametrize("seed", range(5))
def test_rho_is_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 40), rng.normal(size=40).round(1)
    found = associate(x.tolist(), y.tolist(), None, seed)
    expected = stats.spearmanr(x, y)
    assert found.rho == pytest.approx(expected.statistic, abs=1e-12)
    assert found.p == pytest.approx(expected.pvalue, abs=0.03)


def test_p_is_exact_where_few_orders_are_possible() -> None:
    found = associate([1, 2, 3, 4], [1, 2, 3, 4], None, 0)
    assert found.rho == pytest.approx(1)
    assert found.p == pytest.approx(2 / 24, abs=0.01)  # of 24 orders, this one and its reverse


def test_groups_that_explain_all() -> None:
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2], 30)
    x, y = 10 * group + rng.normal(size=90), 10 * group + rng.normal(size=90)
    found = associate(x.tolist(), y.tolist(), group.tolist(), 0)
    assert found.p is not None and found.p < 0.001
    assert found.p_within is not None and found.p_within > 0.05
    assert found.rho_within is not None and abs(found.rho_within) < 0.3


def test_an_order_within_groups_is_found() -> None:
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1], 30)
    x = rng.normal(size=60)
    y = 0.3 * rng.normal(size=60) + x + 5 * group
    found = associate(x.tolist(), y.tolist(), group.tolist(), 0)
    assert found.p_within == pytest.approx(1 / 10_000)


def test_only_orders_within_groups_are_drawn() -> None:
    found = associate([1, 2, 3, 4], [1, 2, 3, 4], [0, 0, 1, 1], 0)
    assert found.p_within == pytest.approx(2 / 4, abs=0.02)  # both groups as they are or both turned, of four orders
    assert found.p == pytest.approx(2 / 24, abs=0.01)


def test_many_pairs_have_fewer_permutations() -> None:
    assert associate(list(range(500)), list(range(500)), None, 0).permutations == 9_999
    assert associate(list(range(2_500)), list(range(2_500)), None, 0).permutations == 2_000


def test_what_does_not_vary_has_no_rho() -> None:
    assert associate([1, 1, 1, 1], [1, 2, 3, 4], [0, 0, 1, 1], 0).rho is None
    assert associate([1, 2], [1, 2], None, 0).rho is None
    only_between = associate([1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 1, 1], 0)
    assert only_between.rho == pytest.approx(1) and only_between.rho_within is None


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
    found = audit(workspace()).effectiveness
    assert found is not None
    assert (found.queries, found.left_out) == (4, 1)
    assert found.warning is not None and "4 test queries" in found.warning
    by_name = {(one.quality, one.effect): one.found for one in found.tests}
    gap = by_name["gap", "tuned"]
    assert (gap.n, gap.rho) == (4, pytest.approx(-1))
    assert gap.p == pytest.approx(2 / 24, abs=0.01)
    assert gap.rho_within is None  # every group has one query
    assert by_name["gap", "gain"].rho == pytest.approx(stats.spearmanr([1, 2, 3, 4], [0.4, 0.6, 0.4, 0.1]).statistic)
    assert by_name["violations", "tuned"].rho is None  # none has any
    boat = next(one for one in found.groups if one.value == "boat")
    assert (boat.training, boat.test) == (1, 2)
    assert boat.quality["gap"] == pytest.approx(0.1) and boat.quality["kept"] == pytest.approx(2 / 3)
    assert boat.effect == {"tuned": pytest.approx(0.5), "gain": pytest.approx(0.2)}
    tuned = next(one for one in found.group_tests if (one.quality, one.effect) == ("gap", "tuned"))
    assert tuned.found.n == 4
    assert tuned.found.rho == pytest.approx(stats.spearmanr([1, 2, 3, 4], [0.5, 0.7, 0.5, 0.3]).statistic)


def test_without_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.1}, {"a": 0.5})], exposures=[])
    found = audit(workspace())
    assert found.effectiveness is None
    assert any("the effect on scores cannot be told" in note for note in found.notes)
