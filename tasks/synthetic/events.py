"""Events: new combinations of known components.

An event's four combinations (what and where, what is seen, what is asked for, what the sign says) are each unique
in a list of events, so every query has one right event, while each component alone occurs in many.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np

from tasks.shared.runtime.errors import UserError
from tasks.synthetic.lexicon import LANGUAGES, SIGN_WORDS, TABLES
from tasks.synthetic.seeding import pick, rng_for

Combo = tuple[str, ...]

NAMES = {field: tuple(table) for field, table in TABLES.items()}
TOPICS = (NAMES["kind"], NAMES["place"])
SCENES = (NAMES["colour"], NAMES["object"], NAMES["landmark"])
SPEECHES = (NAMES["role"], NAMES["thing"])
SIGNS = (SIGN_WORDS, SIGN_WORDS)
DISTRACTORS = 4  # so many events have one distractor: a video that no query asks for
MAX_EVENTS = 150  # of the 160 pairs of a role and a thing; the scarcest combination


@dataclass(frozen=True)
class Event:
    """The components of an event: what happened where, the scene, the sound, the request and the sign."""

    event_id: str
    kind: str
    place: str
    colour: str
    object: str
    landmark: str
    sound: str
    role: str
    thing: str
    sign: tuple[str, str]
    language: str

    def combos(self) -> tuple[Combo, ...]:
        """The four combinations that tell this event from every other; a sign counts in either order."""
        return (
            ("topic", self.kind, self.place),
            ("scene", self.colour, self.object, self.landmark),
            ("speech", self.role, self.thing),
            ("sign", *sorted(self.sign)),
        )


def taken_by(events: Iterable[Event]) -> frozenset[Combo]:
    """All combinations of some events, for `random_event` to keep away from."""
    return frozenset(combo for event in events for combo in event.combos())


def make_events(seed: int, count: int) -> list[Event]:
    """`count` events without a shared combination, every component about equally often, in any prefix too.

    Raises UserError where there are not that many combinations.
    """
    if count > MAX_EVENTS:
        raise UserError(f"{count} demo events asked for, at most {MAX_EVENTS} exist; lower train_events or test_events")
    rng = rng_for(seed, "events")
    topics, scenes, speeches, signs = (_spread(rng, tables, count) for tables in (TOPICS, SCENES, SPEECHES, SIGNS))
    sounds, languages = (_spread(rng, (table,), count, unique=False) for table in (NAMES["sound"], LANGUAGES))
    parts = zip(topics, scenes, sounds, speeches, signs, languages, strict=True)
    return [_event(*(name for part in event for name in part)) for event in parts]


def random_event(rng: np.random.Generator, taken: frozenset[Combo] = frozenset()) -> Event:
    """An event none of whose four combinations is taken (see `taken_by`)."""

    def draw(label: str, tables: Sequence[Sequence[str]]) -> list[str]:
        while True:
            names = [pick(rng, table) for table in tables]
            key = sorted(names) if label == "sign" else names
            if len(set(names)) == len(names) and (label, *key) not in taken:
                return names

    topic, scene = draw("topic", TOPICS), draw("scene", SCENES)
    speech, sign = draw("speech", SPEECHES), draw("sign", SIGNS)
    sound, language = pick(rng, NAMES["sound"]), pick(rng, LANGUAGES)
    return _event(*topic, *scene, sound, *speech, *sign, language)


def _event(*names: str) -> Event:
    kind, place, colour, thing_seen, landmark, sound, role, thing, upper, lower, language = names
    scene = (colour, thing_seen, landmark)
    return Event(f"{kind}_{place}", kind, place, *scene, sound, role, thing, (upper, lower), language)


def _spread(
    rng: np.random.Generator, tables: Sequence[Sequence[str]], count: int, unique: bool = True
) -> list[tuple[str, ...]]:
    """`count` tuples, one name of each table, names of a table used about equally often.

    Takes the least used names; after a clash it looks a little further afield.
    """
    uses: list[Counter[str]] = [Counter() for _ in tables]
    drawn: set[tuple[str, ...]] = set()
    chosen: list[tuple[str, ...]] = []
    while len(chosen) < count:
        patience = 1.0
        while True:
            names = tuple(
                table[int(np.argmin([used[name] for name in table] + patience * rng.random(len(table))))]
                for table, used in zip(tables, uses, strict=True)
            )
            key = tuple(sorted(names)) if tables is SIGNS else names
            if len(set(names)) == len(names) and not (unique and key in drawn):
                break
            patience += 0.2
        drawn.add(key)
        chosen.append(names)
        for used, name in zip(uses, names, strict=True):
            used[name] += 1
    return chosen


@dataclass(frozen=True)
class DemoEvents:
    """The events of the demo: those that queries ask for, and distractors, which no query asks for."""

    queried: dict[Literal["train", "test"], list[Event]]
    distractors: dict[Literal["train", "test"], list[Event]]

    def all(self) -> list[Event]:
        """Every event, so that generated training pairs can keep away from all of them."""
        return list(chain(*self.queried.values(), *self.distractors.values()))


def demo_events(seed: int, train_events: int, test_events: int) -> DemoEvents:
    """The events of the demo, with unique combinations. UserError where there are too many."""
    count = train_events + test_events
    extra = count // DISTRACTORS
    events = make_events(seed, count + extra)
    queried, distractors = events[:count], events[count:]
    return DemoEvents(
        queried={"train": queried[:train_events], "test": queried[train_events:]},
        distractors={"train": distractors[::2], "test": distractors[1::2]},
    )
