"""What a stage took from the item store instead of making it again: one line of its output, for people and programs.

It depends on the store and not on the inputs, so it goes to MLflow (`items/reused`) and never into a manifest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LINE = re.compile(r"(?P<stage>\w+): (?P<items>\d+) of (?P<of>\d+) (?P<unit>\w+)s reused from the store")


@dataclass(frozen=True)
class Reused:
    """How many items of a stage, of how many in all; `unit` is what one is, such as a video."""

    items: int
    of: int
    unit: str

    def line(self, stage: str) -> str:
        """`extract: 101 of 104 videos reused from the store`."""
        return f"{stage}: {self.items} of {self.of} {self.unit}s reused from the store"


def read_reused(line: str) -> tuple[str, Reused] | None:
    """The stage and the numbers of such a line; None of any other."""
    found = LINE.fullmatch(line.strip())
    return (found["stage"], Reused(int(found["items"]), int(found["of"]), found["unit"])) if found else None
