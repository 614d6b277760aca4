"""Rows that people write by hand: CSV, JSON Lines and TREC judgments, each mistake named by file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    if path.suffix == ".csv":
        return csv_rows(str(path), path.read_bytes(), known)
    return [row_of(where, raw, known) for where, raw in numbered_jsonl(path)]


def csv_rows(name: str, content: bytes, known: Collection[str] | None = None) -> list[Row]:
    """Rows of the bytes of a CSV file with a header line, `name` for messages; none of an empty one.

    Fields end with commas, semicolons or tabs: spreadsheets save what their country uses. Raises UserError as
    `read_rows` does.
    """
    text = decoded(name, content)
    delimiter = max(",;\t", key=text.split("\n", 1)[0].count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for raw in reader:
            where = f"{name}:{reader.line_num}"
            if None in raw or None in raw.values():
                columns = len(reader.fieldnames or ())
                raise UserError(f"{where}: not {columns} fields; quote a field that has {delimiter!r} in it")
            rows.append(row_of(where, raw, known))
    except csv.Error as error:
        raise UserError(f"{name}:{reader.line_num + 1}: not CSV ({error}); mend the row") from None
    return rows


def read_judgments(path: Path) -> list[Judgment]:
    """Judgments of a TREC qrels file, in its order. Raises UserError where one is not `query 0 video relevance`."""
    judgments = []
    for number, line in enumerate(decoded(str(path), path.read_bytes()).split("\n"), start=1):
        where = f"{path}:{number}"
        if not (fields := line.split()):
            continue
        if len(fields) != 4:
            raise UserError(f"{where}: not a TREC judgment: write `query 0 video relevance`")
        judgments.append(Judgment(fields[0], fields[2], relevance_of(where, fields[3])))
    return judgments


def relevance_of(where: str, value: Any) -> int:
    """A whole number from 0 up, from text or JSON. Raises UserError for anything else."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit()):
        raise UserError(f"{where}: relevance {value!r} is not a whole number from 0 up; 0 is judged not relevant")
    return int(text)


def row_of(where: str, raw: Mapping[str, Any], known: Collection[str] | None = None) -> Row:
    """A row of texts and whole numbers. Raises UserError for a field that is not known, or a value of another type."""
    fields = {}
    for name, value in raw.items():
        if known is not None and name not in known:
            raise UserError(f"{where}: unknown field {name!r}; known are {', '.join(known)}")
        if not isinstance(value, str | int | None) or isinstance(value, bool):
            raise UserError(f"{where}: {name} is not text; write it as a string or leave it out")
        fields[name] = None if value is None else str(value).strip() or None  # ids are often numbers
    return Row(where, fields)


def decoded(name: str, content: bytes) -> str:
    """The text of a file. Raises UserError where it is no UTF-8."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
