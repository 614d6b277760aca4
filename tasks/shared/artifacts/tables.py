"""Tables and records: a dataclass is the schema of a Parquet file or of a JSON object, and what is read becomes one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cache, cached_property
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.parquet import read_parquet, write_parquet

Row = TypeVar("Row")


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A kind of table: a field of `row` is a column, an object a row."""

    row: type[Row]
    name: str = ""  # of its file; empty where callers name the file and not its folder
    order: tuple[str, ...] = ()  # fields to sort rows by, None as ""; without any they stay in the order given

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns: text, int64, float64, and lists and structs of these."""
        return pa.schema(_fields(self.row))

    def write(self, folder: Path, rows: Iterable[Row]) -> None:
        """Write the rows; equal rows give equal bytes."""
        ordered = sorted(rows, key=lambda one: [getattr(one, name) or "" for name in self.order])
        plain = [asdict(one) for one in ordered]  # type: ignore[call-overload]
        write_parquet(folder / self.name, pa.Table.from_pylist(plain, schema=self.schema))

    def read(self, folder: Path, **only: Collection[str] | None) -> list[Row]:
        """The rows in the order written; `only` names by column the values that a row must have one of. Raises
        UserError where the file or a column is missing."""
        rows = read_parquet(folder / self.name, self.schema, only).to_pylist()
        return [structured(self.row, row) for row in rows]


def _fields(row: type) -> list[pa.Field]:
    hints = get_type_hints(row, include_extras=True)
    return [pa.field(one.name, _arrow(hints[one.name])) for one in fields(row)]


def _arrow(hint: Any) -> pa.DataType:
    """The column type of a field: `Annotated[int, pa.int32()]` names its own, and every column may be null."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return arguments[1]
    if origin in (Union, UnionType):
        return _arrow(next(one for one in arguments if one is not NoneType))
    if origin is list:
        return pa.list_(_arrow(arguments[0]))
    if origin is Literal:
        return pa.string()
    if isinstance(hint, type) and is_dataclass(hint):
        return pa.struct(_fields(hint))
    return {str: pa.string(), int: pa.int64(), float: pa.float64()}[hint]


def read_record(kind: type[Row], path: Path, stage: str) -> Row:
    """The object in a JSON file that a stage wrote. Raises UserError where it is missing or of another version."""
    return as_record(kind, read_json(path), path, stage)


def as_record(kind: type[Row], value: Any, path: Path, stage: str) -> Row:
    """An object out of a stage's file at `path`. Raises UserError where another version wrote it."""
    try:
        if value is None:
            raise TypeError("null")
        found: Row = structured(kind, value)
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not as this version writes it ({error}); run `dvc repro -f {stage}`") from None
    return found


def structured(hint: Any, value: Any) -> Any:
    """Plain data as its type says: dicts as dataclasses, at any depth. Raises TypeError where it does not fit."""
    if value is None or not _has_dataclass(hint):
        return value
    if isinstance(hint, type):
        parts = {name: structured(part, value[name]) for name, part in _parts(hint).items() if name in value}
        return hint(**(value | parts))
    *_, inner = [one for one in get_args(hint) if one is not NoneType]
    if get_origin(hint) is list:
        return [structured(inner, one) for one in value]
    if get_origin(hint) is dict:
        return {name: structured(inner, one) for name, one in value.items()}
    return structured(inner, value)


@cache
def _has_dataclass(hint: Any) -> bool:
    return is_dataclass(hint) or any(map(_has_dataclass, get_args(hint)))


@cache
def _parts(kind: Any) -> dict[str, Any]:
    """The fields of a dataclass that hold others."""
    return {name: hint for name, hint in get_type_hints(kind).items() if _has_dataclass(hint)}
