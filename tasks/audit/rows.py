"""Tables of an answer's plain rows, as people read them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.audit.text import Table, plain, short, shortened, table
from tasks.lineage.model import Run

MOST = 8  # rows of a table, and members of a list; JSON has all
WORDS = 90  # characters of a text
DIGEST = 64  # hexadecimal digits of a sha256


def rows(title: str, found: Iterable[Any], most: int | None = MOST) -> Table | None:
    """A table of dataclasses or mappings with the same fields, without those that are empty; None without a row."""
    every = [one if isinstance(one, Mapping) else vars(one) for one in found]
    columns = [name for name in (every[0] if every else ()) if any(one[name] not in (None, [], {}) for one in every)]
    right = [name for name in columns if all(isinstance(one[name], int | float | None) for one in every)]
    cut = f" (the first {most} of {len(every)}; --json has all)" if most is not None and len(every) > most else ""
    cells = [[cell(one[name]) for name in columns] for one in every[:most]]
    return table(f"{title}{cut}", columns, cells, right) if every else None


def cell(value: Any) -> str:
    """A value in a table: digests and texts are shortened, and so are lists."""
    if isinstance(value, Run):
        return value.run_id
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {cell(one)}" for key, one in value.items())
    if isinstance(value, list):
        return ", ".join(map(cell, value[:MOST])) + ", …" * (len(value) > MOST)
    if isinstance(value, str) and len(value) == DIGEST and not value.strip("0123456789abcdef"):
        return short(value)
    return shortened(value, WORDS) if isinstance(value, str) else plain(value)
