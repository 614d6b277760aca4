"""How answers are shown: tables and trees for people, JSON for programs.

What comes from a dataset is plain text here: no markup is read in it, and control characters are made visible.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SHORT = 12  # hex digits of a digest that tables show; JSON has all
WIDE = 140  # columns where the output is no terminal


def as_json(answer: Any) -> str:
    """A dataclass, or plain data, as indented JSON."""
    plain = asdict(answer) if is_dataclass(answer) and not isinstance(answer, type) else answer
    return json.dumps(plain, indent=2, ensure_ascii=False, default=str)


def console() -> Console:
    """Where people read: as wide as the terminal, colours only there."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else WIDE
    return Console(width=width, highlight=False, markup=False, emoji=False, soft_wrap=False)


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[str] = ()) -> Table:
    """A table. `right` names the columns of numbers, which are set to the right."""
    from rich.box import SIMPLE
    from rich.table import Table
    from rich.text import Text

    found = Table(title=Text(title), title_justify="left", box=SIMPLE, pad_edge=False)
    numbers = set(right)
    for name in columns:
        found.add_column(Text(name), justify="right" if name in numbers else "left", overflow="fold")
    for row in rows:
        found.add_row(*(Text(plain(cell)) for cell in row))
    return found


def plain(value: Any) -> str:
    """A value as text on one line: None is a dash, floats have four digits, control characters are escaped."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4f}"
    return "".join(
        letter if letter.isprintable() else " " if letter in "\t\n" else repr(letter)[1:-1] for letter in str(value)
    )


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return digest[:SHORT] if digest else "-"


def shortened(text: str, most: int) -> str:
    """A text on one line, cut to so many characters."""
    line = " ".join(plain(text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 100 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
