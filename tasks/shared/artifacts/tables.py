"""Item tables: a dataclass is the schema of a Parquet file, a field a column, an object a row."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields, is_dataclass
from functools import cached_property
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Generic, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

from tasks.shared.runtime.parquet import read_parquet, write_parquet

Row = TypeVar("Row")


@dataclass(frozen=True)
class Table(Generic[Row]):
    """A kind of table.

    Attributes:
        row: the dataclass of its rows.
        order: fields by which rows are sorted when they are written, None as ""; without any, rows stay in the order
            given.
    """

    row: type[Row]
    order: tuple[str, ...] = ()

    @cached_property
    def schema(self) -> pa.Schema:
        """The columns: text, int64, float64, and lists and structs of these."""
        return pa.schema(_fields(self.row))

    def write(self, path: Path, rows: Iterable[Row]) -> None:
        """Write the rows; equal rows give equal bytes."""
        ordered = sorted(rows, key=lambda one: [getattr(one, name) or "" for name in self.order])
        write_parquet(path, pa.Table.from_pylist([asdict(one) for one in ordered], schema=self.schema))  # type: ignore[call-overload]

    def read(self, path: Path, **only: Collection[str] | None) -> list[Row]:
        """The rows in the order written; `only` names by column the values that a row must have one of.

        Raises UserError where the file or a column is missing.
        """
        return [self.row(**row) for row in read_parquet(path, self.schema, only).to_pylist()]


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
