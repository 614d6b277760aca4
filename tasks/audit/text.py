"""The one text view of the audit: lines, tables and trees for people, JSON for programs.

On a terminal, rich folds tables to its width. What is piped or written to a file is never wrapped or cut and has no box
drawing: tables are columns two spaces apart, trees are indented. Text of a dataset stays text: no markup is read in it,
and control characters are made visible.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

SHORT = 12  # hex digits of a digest that tables show; JSON has all
INDENT = "  "  # of a tree's level, and between the columns of a table


@dataclass
class Tree:
    """A line of text with lines below it. `style` is rich's, for terminals."""

    label: str
    style: str = ""
    children: list[Tree] = field(default_factory=list)

    def add(self, label: str, leaves: Iterable[str] = (), style: str = "") -> Tree:
        """A line below this one, with some more below that."""
        child = Tree(label, style, [Tree(leaf, style) for leaf in leaves])
        self.children.append(child)
        return child


@dataclass(frozen=True)
class Table:
    """Rows under named columns. Columns named in `right` are set to the right, as numbers are."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: frozenset[str]


@dataclass(frozen=True)
class Line:
    """A line with a style for terminals."""

    text: str
    style: str = ""


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], right: Iterable[str] = ()) -> Table:
    """A table of values, shown as `plain` shows them."""
    return Table(plain(title), columns, [[plain(cell) for cell in row] for row in rows], frozenset(right))


def tree(label: str, leaves: Iterable[str] = (), style: str = "") -> Tree:
    """A tree; `add` on it gives it branches."""
    return Tree(label, style, [Tree(leaf) for leaf in leaves])


def lines(title: str, texts: Iterable[str], style: str = "") -> list[Line]:
    """A list under a title; nothing where it is empty."""
    found = [Line(f"{INDENT}{text}", style) for text in texts]
    return [Line(f"{title}:", style), *found] if found else []


def show(*parts: str | Line | Table | Tree | Iterable[Any] | None) -> None:
    """Print texts, tables and trees, and what lists hold of them, one below the other; None is nothing."""
    flat = [part for one in parts for part in _flat(one)]
    if not sys.stdout.isatty():
        for part in flat:
            print("\n".join(_piped(part)))
        return
    from rich.console import Console

    console = Console(highlight=False, markup=False, emoji=False)
    for part in flat:
        console.print(_rich(part), soft_wrap=isinstance(part, str | Line))


def _flat(part: Any) -> Iterator[str | Line | Table | Tree]:
    if isinstance(part, str | Line | Table | Tree):
        yield part
    elif part is not None:
        for one in part:
            yield from _flat(one)


def _piped(part: str | Line | Table | Tree) -> list[str]:
    if isinstance(part, Tree):
        return [plain(part.label), *(INDENT + line for child in part.children for line in _piped(child))]
    if isinstance(part, Table):
        return _columns(part)
    return [plain(part.text if isinstance(part, Line) else part)]


def _columns(found: Table) -> list[str]:
    from rich.cells import cell_len, set_cell_size

    rows = [list(found.columns), *found.rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    shown = []
    for row in rows:
        cells = [
            " " * (width - cell_len(cell)) + cell if name in found.right else set_cell_size(cell, width)
            for name, cell, width in zip(found.columns, row, widths, strict=True)
        ]
        shown.append(INDENT.join(cells).rstrip())
    return ["", *([found.title] if found.title else []), *(shown if any(found.columns) else shown[1:])]


def _rich(part: str | Line | Table | Tree) -> Any:
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text
    from rich.tree import Tree as RichTree

    if isinstance(part, Table):
        shown = RichTable(title=Text(part.title), title_justify="left", box=box.SIMPLE, pad_edge=False)
        for name in part.columns:
            shown.add_column(Text(name), justify="right" if name in part.right else "left", overflow="fold")
        for row in part.rows:
            shown.add_row(*map(Text, row))
        return shown
    if isinstance(part, Tree):
        top = RichTree(Text(plain(part.label), style=part.style))
        for child in part.children:
            top.children.append(_rich(child))
        return top
    return Text(plain(part.text), style=part.style) if isinstance(part, Line) else Text(plain(part))


def as_json(answer: Any) -> str:
    """A dataclass, or plain data, as indented JSON. Fields that a dataclass hides from its repr are left out."""

    def data(value: Any) -> Any:
        if is_dataclass(value):
            return {one.name: getattr(value, one.name) for one in fields(value) if one.repr}
        return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)

    return json.dumps(answer, indent=2, ensure_ascii=False, default=data)


def put(text: str, output: Path | None) -> bool:
    """Write a text to a file, or print it where none is named; whether it went to a file.

    Raises UserError where the file cannot be written.
    """
    if output is None:
        print(text, end="")
        return False
    try:
        write_text(output, text)
    except OSError as error:
        raise UserError(f"{output} cannot be written ({error.strerror}); name another with --output") from None
    return True


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
