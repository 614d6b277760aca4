"""Which events the demo plays, so that whoever trains on generated ones can keep away from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tasks.synthetic.events import Event, make_events

DISTRACTORS = 4  # one video of an event that no query asks for, per so many events


@dataclass(frozen=True)
class Cast:
    """The demo's events: those that queries ask for, and those that only get in the way."""

    queried: dict[Literal["train", "test"], list[Event]]
    distractors: dict[Literal["train", "test"], list[Event]]

    def all(self) -> list[Event]:
        """Every event, so that generated training pairs can keep away from all of them."""
        groups = (*self.queried.values(), *self.distractors.values())
        return [event for group in groups for event in group]


def cast_events(seed: int, train_events: int, test_events: int) -> Cast:
    """The events of the demo; no two share what they are told apart by. UserError where there are too many."""
    count = train_events + test_events
    extra = count // DISTRACTORS
    events = make_events(seed, count + extra)
    queried, distractors = events[:count], events[count:]
    return Cast(
        queried={"train": queried[:train_events], "test": queried[train_events:]},
        distractors={"train": distractors[::2], "test": distractors[1::2]},
    )
