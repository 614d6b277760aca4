"""A change that somebody might make, and what it would cost: the words in which the forecast speaks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, Literal

from tasks.shared.artifacts.corpus import Query, Video


class Likely(IntEnum):
    """Whether something happens, as far as it can be known before."""

    NO = 0
    MAYBE = 1
    YES = 2


class Unset:
    """The value of a param that is to change to some other, nobody said which."""

    def __repr__(self) -> str:
        return "another value"


UNSET = Unset()


@dataclass(frozen=True)
class Change:
    """What is changed, all at once.

    Attributes:
        videos: whose picture and sound become others, or which are taken away.
        removed: whether the videos are taken away.
        queries: whose text becomes another.
        params: new values by dotted key; UNSET where none is said. None of them equals the present value.
    """

    videos: tuple[Video, ...] = ()
    removed: bool = False
    queries: tuple[Query, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)

    def touches(self, entry: str) -> bool:
        """Whether a key is changed that dvc.yaml's entry (a section or a dotted key) covers."""
        return any(key == entry or key.startswith(f"{entry}.") or entry.startswith(f"{key}.") for key in self.params)

    def only(self, section: str, *keys: str) -> bool:
        """Whether, of a section, nothing but these keys is changed."""
        allowed = {f"{section}.{key}" for key in keys}
        return all(key in allowed for key in self.params if key == section or key.startswith(f"{section}."))


@dataclass(frozen=True)
class Range:
    """How many, at least and at most."""

    low: int
    high: int

    @property
    def likely(self) -> Likely:
        """Whether it is any at all."""
        return Likely.YES if self.low else Likely.MAYBE if self.high else Likely.NO

    def __add__(self, other: Range) -> Range:
        return Range(self.low + other.low, self.high + other.high)


NONE = Range(0, 0)
PERHAPS = Range(0, 1)
ONE = Range(1, 1)


def widest(*ranges: Range) -> Range:
    """That of which most is sure, and at most as many as any of them says."""
    return Range(max((one.low for one in ranges), default=0), max((one.high for one in ranges), default=0))


@dataclass(frozen=True)
class Share:
    """Items of one kind that a stage really makes again: at least `low`, at most `high`, `of` so many."""

    what: str
    low: int
    high: int
    of: int


Runs = Literal["yes", "restored", "may be skipped", "no"]


@dataclass(frozen=True)
class StageForecast:
    """What `dvc repro` would do with one stage.

    Attributes:
        runs: whether its program is started; `restored` where DVC checks out what it remembers of an earlier run,
            `may be skipped` where what it depends on may come out the same.
        shares: what it makes again; all else comes from the item store. Empty where it does not run.
        because: what it depends on that changes: params and paths.
        reason: why as much as that.
    """

    stage: str
    runs: Runs
    shares: list[Share]
    because: list[str]
    reason: str
