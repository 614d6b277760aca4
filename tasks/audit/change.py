"""What is different between two mappings: of two states, or of a record and what was made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

How = Literal["added", "removed", "changed"]  # from A to B


@dataclass(frozen=True)
class Change:
    """What is under a key in A and in B; None on the side that lacks the key, which `how` tells from a null."""

    key: str
    how: How
    a: Any
    b: Any


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Keys that only one side has, or that have different values, sorted."""
    return [
        Change(key, "removed" if key not in b else "added" if key not in a else "changed", a.get(key), b.get(key))
        for key in sorted({*a, *b})
        if key not in a or key not in b or a[key] != b[key]
    ]
