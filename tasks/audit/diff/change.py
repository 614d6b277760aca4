"""A value that two states have differently, and things told apart by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

How = Literal["added", "removed", "changed"]  # from A to B


@dataclass(frozen=True)
class Change:
    """What is under a key in A and in B; None on the side that lacks the key, which `how` tells from a null."""

    key: str
    how: How
    a: Any
    b: Any


@dataclass(frozen=True)
class ItemChange:
    """An item that both states have, and the fields in which it differs."""

    item_id: str
    fields: list[Change]

    def has(self, *names: str) -> bool:
        """Whether one of these fields differs."""
        return any(one.key in names for one in self.fields)


@dataclass(frozen=True)
class Items:
    """The items of a table in A and in B, by id.

    Attributes:
        same_bytes: the table is the same file in both, which says that all is equal without reading it.
        equal: how many items both have alike; None where the table was not read.
    """

    same_bytes: bool = False
    equal: int | None = None
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: list[ItemChange] = field(default_factory=list)

    @property
    def differ(self) -> bool:
        """Whether any item differs."""
        return bool(self.added or self.removed or self.changed)


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Keys that one side lacks or has otherwise, sorted."""
    return [
        Change(key, "removed" if key not in b else "added" if key not in a else "changed", a.get(key), b.get(key))
        for key in sorted({*a, *b})
        if key not in a or key not in b or a[key] != b[key]
    ]


def items(a: Mapping[str, Mapping[str, Any]], b: Mapping[str, Mapping[str, Any]]) -> Items:
    """Items by id, each the mapping of its fields."""
    common = [name for name in a if name in b]
    changed = [ItemChange(name, changes(a[name], b[name])) for name in common if a[name] != b[name]]
    return Items(
        equal=len(common) - len(changed),
        added=sorted(name for name in b if name not in a),
        removed=sorted(name for name in a if name not in b),
        changed=sorted(changed, key=lambda one: one.item_id),
    )
