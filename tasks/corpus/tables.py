"""Rows that people write by hand: CSV, JSON Lines and TREC judgments, each mistake named by file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import numbered_jsonl

csv.field_size_limit(1 << 24)  # of what is said in hours of video; the default is 128 KiB


@dataclass(frozen=True)
class Row:
    """One row: where it stands (`file:line`), and its fields; what is empty or null is None."""

    where: str
    fields: dict[str, str | None]

    def required(self, *names: str) -> str:
        """The first of these fields that has a value. Raises UserError where none has."""
        for name in names:
            if value := self.fields.get(name):
                return value
        raise UserError(f"{self.where}: no {' or '.join(names)}; every row needs one")


def read_rows(path: Path, known: Collection[str] | None = None) -> list[Row]:
    """Rows of a `.csv` file with a header line, or of JSON Lines.

    Raises UserError where a line is malformed, has a field that is not `known` (where any are), or a value that is
    no text.
    """
    try:
        rows = list(_csv_rows(path) if path.suffix == ".csv" else numbered_jsonl(path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    return [Row(where, {name: _text(where, name, value, known) for name, value in raw.items()}) for where, raw in rows]


def read_judgments(path: Path) -> list[Judgment]:
    """Judgments of a TREC qrels file, in its order. Raises UserError where one is not `query 0 video relevance`."""
    judgments = []
    with path.open(encoding="utf-8-sig", newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            fields = line.split()
            if not fields:
                continue
            if len(fields) != 4:
                raise UserError(f"{path}:{number}: not a TREC judgment: write `query 0 video relevance`")
            judgments.append(Judgment(fields[0], fields[2], relevance_of(f"{path}:{number}", fields[3])))
    return judgments


def relevance_of(where: str, value: Any) -> int:
    """A whole number from 0 up, from text or JSON. Raises UserError for anything else."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise UserError(f"{where}: relevance {value!r} is not a whole number from 0 up; 0 is judged not relevant")
    return int(text)


def read_csv_bytes(name: str, content: bytes) -> list[Row]:
    """Rows of the bytes of a CSV file with a header line, `name` for messages; none of an empty one.

    Raises UserError where a line is malformed.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    return [Row(where, {key: value.strip() or None for key, value in raw.items()})
            for where, raw in _csv_stream(name, io.StringIO(text, newline=""))]  # fmt: skip


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        yield from _csv_stream(str(path), stream)


def _csv_stream(name: str, stream: TextIO) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(stream, strict=True)
    try:
        for row in reader:
            where = f"{name}:{reader.line_num}"
            if None in row or None in row.values():
                columns = len(reader.fieldnames or ())
                raise UserError(f"{where}: not {columns} fields; quote a field that has commas in it")
            yield where, row
    except csv.Error as error:
        raise UserError(f"{name}:{reader.line_num + 1}: not CSV ({error}); mend the row") from None


def _text(where: str, name: str, value: Any, known: Collection[str] | None) -> str | None:
    if known is not None and name not in known:
        raise UserError(f"{where}: unknown field {name!r}; known are {', '.join(known)}")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)  # ids are often numbers
    if value is not None and not isinstance(value, str):
        raise UserError(f"{where}: {name} is not text; write it as a string or leave it out")
    return value.strip() or None if value else None
