from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest

from tasks.shared.runtime.errors import UserError
from tasks.synthetic.events import MAX_EVENTS, Event, make_events, random_event, taken_by
from tasks.synthetic.lexicon import COLOURS, KINDS, OBJECTS, PLACES, ROLES, SIGN_WORDS, THINGS
from tasks.synthetic.seeding import rng_for

COMPONENTS = ("kind", "place", "colour", "object", "landmark", "sound", "role", "thing", "language")


@pytest.fixture(scope="module")
def events() -> list[Event]:
    return make_events(seed=7, count=80)


def test_no_two_events_share_a_combination(events: list[Event]) -> None:
    combos = list(chain.from_iterable(event.combos() for event in events))
    assert len(combos) == len(set(combos)) == 4 * 80
    assert len({event.event_id for event in events}) == 80


@pytest.mark.parametrize("prefix", [32, 64, 80])
def test_components_are_spread_evenly_over_any_prefix(events: list[Event], prefix: int) -> None:
    for component in COMPONENTS:
        uses = Counter(getattr(event, component) for event in events[:prefix])
        assert max(uses.values()) - min(uses.values()) <= 2, component


def test_every_kind_occurs_with_several_places(events: list[Event]) -> None:
    places = {kind: {event.place for event in events if event.kind == kind} for kind in KINDS}
    assert min(map(len, places.values())) >= 4


def test_events_depend_on_the_seed_alone(events: list[Event]) -> None:
    assert make_events(7, 80) == events
    assert make_events(8, 80) != events


def test_as_many_events_as_promised_exist_and_no_more() -> None:
    assert len(taken_by(make_events(3, MAX_EVENTS))) == 4 * MAX_EVENTS
    with pytest.raises(UserError, match=f"at most {MAX_EVENTS} exist"):
        make_events(3, MAX_EVENTS + 1)


def test_random_events_keep_away_from_taken_combinations(events: list[Event]) -> None:
    taken = taken_by(events)
    drawn = [random_event(rng_for(1, index), taken) for index in range(500)]
    assert not taken & taken_by(drawn)
    # A sign in the other order would answer the same query.
    assert not {frozenset(event.sign) for event in drawn} & {frozenset(event.sign) for event in events}
    for table, component in ((PLACES, "place"), (COLOURS, "colour"), (OBJECTS, "object"), (THINGS, "thing")):
        assert {getattr(event, component) for event in drawn} == set(table)


def test_one_combination_left_is_found() -> None:
    everything = {("speech", role, thing) for role in ROLES for thing in THINGS} - {("speech", "pilot", "money")}
    event = random_event(rng_for(1), frozenset(everything))
    assert (event.role, event.thing) == ("pilot", "money")


def test_sign_words_fill_the_six_cells_of_a_line() -> None:
    assert len(set(SIGN_WORDS)) == 28
    assert all(len(word) == 6 and word.isascii() and word.isupper() for word in SIGN_WORDS)
