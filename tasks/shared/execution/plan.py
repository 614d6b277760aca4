"""What a stage has to make: its items and their keys in the store, known from tables and params alone.

Every stage that keeps items has a function `plan` in `tasks/<stage>/run.py`, which takes params and the results folder
whose tables it reads, and loads no media and no model. `run` makes what the store lacks; `audit impact` asks for the
plan with other params, and of a results folder as a change would make it.

A stage whose tables later plans read has a function `write_expected(params, before, changed, present, root)` beside
`plan`: into a results folder `root` it writes what the stage would publish with these params instead of those before,
as far as plans read it. What it published last lies in `present`; in the place of the items with ids in `changed` it
writes digests and words that nothing else has, so that what is forecast is what is made at most.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from tasks.shared.execution.items import ItemStore

T = TypeVar("T")


@dataclass(frozen=True)
class Item(Generic[T]):
    """One thing to make: its id, its key in the store, and what the work needs to know. The id is a video's, or another
    that is unique in the plan; `counts` is how many units it holds."""

    id: str
    key: str
    payload: T
    counts: int = 1


@dataclass(frozen=True)
class Plan(Generic[T]):
    """The items of one step, each id once, the store that keeps them, and what one unit is called. `chunked`: an item
    holds several units, and a unit that changes may divide the others among items in another way."""

    store: ItemStore
    items: Sequence[Item[T]]
    unit: str = "video"
    chunked: bool = False

    @property
    def size(self) -> int:
        """How many units there are."""
        return sum(item.counts for item in self.items)

    def missing(self) -> list[Item[T]]:
        """The items that the store has no entry of; entries are not read, so a damaged one counts as there."""
        return [item for item in self.items if not self.store.has(item.key)]
