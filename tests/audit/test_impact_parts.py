"""What is forecast of documents that are encoded in part, against what encode then really makes."""

from __future__ import annotations

import pytest

from tasks.audit.impact.forecast import forecast
from tasks.audit.impact.state import State
from tasks.lineage.open import workspace
from tasks.shared.execution.items import CacheHits, read_cache_hits
from tests.audit.own_videos import OwnVideos
from tests.audit.test_impact_forecast import Case, ask, film, made, own, param, take_away

__all__ = ["made", "own"]  # fixtures

CASES: dict[str, tuple[Case, int | None]] = {  # how many vectors it is told to make; None: no exact number is told
    "a test video": (film("test"), None),  # its words may be others, and its text then too
    "a training video": (film("train"), None),  # and so may the adapter
    "two videos less": (take_away, 0),
    "a training query": (ask("train"), None),
    "other methods": (param("evaluate", "fusion", ["joint", "rrf"]), 0),
    "no more directions": (param("evaluate", "directions", False), 0),
    "fewer indexed modalities": (param("encode", "modalities", ["audio"]), 0),
    "another limit": (param("encode", "max_query_tokens", 500), None),
}


def reused(output: str) -> CacheHits:
    """What encode said last of the store."""
    (*_, last) = (found for line in output.splitlines() if (found := read_cache_hits(line)) and found[0] == "encode")
    return last[1]


@pytest.mark.parametrize("case", CASES)
def test_the_forecast_of_views_is_what_happens(case: str, own: OwnVideos, capsys: pytest.CaptureFixture[str]) -> None:
    own.params("evaluate", directions=True, fusion=["joint", "routed"])
    own.repro()
    capsys.readouterr()
    state = State(workspace())
    state.videos, state.queries, state.media  # noqa: B018  # as they are before the change
    change, exact = CASES[case]
    told = next(one for one in forecast(state, change(own, state)) if one.stage == "encode")
    own.repro()
    store = reused(capsys.readouterr().out)
    low, high = sum(one.low for one in told.shares), sum(one.high for one in told.shares)
    assert low <= store.of - store.items <= high
    assert sum(one.of for one in told.shares) == store.of
    if exact is not None:
        assert (low, high) == (exact, exact)


def test_the_first_directions_are_forecast(own: OwnVideos, capsys: pytest.CaptureFixture[str]) -> None:
    state = State(workspace())
    told = next(
        one for one in forecast(state, param("evaluate", "directions", True)(own, state)) if one.stage == "encode"
    )
    own.repro()
    store = reused(capsys.readouterr().out)
    parts = [one for one in told.shares if one.what.endswith("in part")]
    assert [one.what for one in parts] == ["tuned documents in part", "base documents in part"]
    assert all(one.low == one.high == one.of > 0 for one in parts)
    assert sum(one.low for one in told.shares) == store.of - store.items == 2 * parts[0].of
