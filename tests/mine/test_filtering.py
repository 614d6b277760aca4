"""What becomes a negative: never a positive, never above the threshold."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.mine.filtering import mined, threshold
from tasks.shared.artifacts.negatives import Dropped, Negative

scores = st.floats(-1, 1, width=32)
ids = st.sampled_from([f"v{number}" for number in range(12)])


def test_the_threshold_is_a_share_of_the_weakest_positive() -> None:
    assert threshold([0.9, 0.8], 0.05) == pytest.approx(0.8 * 0.95)
    assert threshold([-0.2, 0.5], 0.05) == pytest.approx(-0.21)  # below the positive also where it is negative
    assert threshold([0.0], 0.05) == 0.0
    assert threshold([0.7], 0.0) == 0.7
    assert threshold([0.7], None) is None
    assert threshold([], 0.05) is None


def test_candidates_are_taken_in_order_and_the_rest_is_accounted_for() -> None:
    ranking = {"near": 0.99, "right": 0.95, "a": 0.90000012, "also": 0.5, "b": 0.4, "c": 0.3}
    found = mined("q", ["right", "also", "unranked"], ranking, {"unranked": 0.1, "right": 0.95}, 0.91, 2)
    assert found.positives == ["also", "right", "unranked"]
    assert found.negatives == [Negative("a", 3, 0.9), Negative("b", 5, 0.4)]
    assert found.dropped == [
        Dropped("near", "margin", 1, 0.99),
        Dropped("right", "positive", 2, 0.95),
        Dropped("also", "positive", 4, 0.5),
    ]
    assert found.positive_scores == {"right": 0.95, "unranked": 0.1}


def test_negative_scores_keep_the_margin_on_its_side() -> None:
    ranking = {"right": -0.10, "twin": -0.101, "far": -0.2}
    found = mined("q", ["right"], ranking, {}, threshold([-0.10], 0.05), 3)
    assert [one.video_id for one in found.negatives] == ["far"]
    assert found.dropped == [Dropped("right", "positive", 1, -0.1), Dropped("twin", "margin", 2, -0.101)]


@settings(deadline=None)
@given(st.dictionaries(ids, scores), st.sets(ids), st.integers(0, 6), st.none() | st.floats(0, 1))
def test_no_positive_and_nothing_above_the_threshold(
    candidates: dict[str, float], positives: set[str], keep: int, margin: float | None
) -> None:
    ranking = dict(sorted(candidates.items(), key=lambda one: (one[1], one[0]), reverse=True))
    own = [candidates[one] for one in positives & set(candidates)]
    found = mined("q", sorted(positives), ranking, {}, threshold(own, margin), keep)
    taken = [one.video_id for one in found.negatives]
    assert not positives & set(taken)
    assert {one.video_id for one in found.dropped if one.reason == "positive"} == positives & set(ranking)
    if margin is not None and own:
        assert all(ranking[one] <= min(own) - abs(min(own)) * margin for one in taken)
    left = [one for one in ranking if one not in {gone.video_id for gone in found.dropped}]
    assert taken == left[:keep]
    assert [list(ranking)[one.rank - 1] for one in found.negatives] == taken
