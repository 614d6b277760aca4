"""Tables in Parquet files: equal tables give equal bytes, and a few rows can be read without the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import atomically


def write_parquet(path: Path, table: pa.Table) -> None:
    """Write a table; equal tables give equal bytes: fixed codec, no dates inside. Row groups are small, so that reading
    one id of a large sorted table reads little of it."""
    atomically(path, lambda temporary: pq.write_table(table, temporary, compression="zstd", row_group_size=1 << 12))


def read_parquet(path: Path, schema: pa.Schema, only: Mapping[str, Collection[str] | None] | None = None) -> pa.Table:
    """A table with just the schema's columns; UserError where the file or a column is missing. `only` names by column
    the values a row must have one of; row groups that cannot hold them are not read."""
    wanted = {column: set(values) for column, values in (only or {}).items() if values is not None}
    with _reading(path), pq.ParquetFile(path) as file:  # pq.read_table imports pandas, which takes a second
        table = _some_rows(file, wanted) if wanted else file.read()
    return _as(schema, table, path)


def parquet_rows(path: Path, schema: pa.Schema) -> Iterator[dict[str, Any]]:
    """The rows of a table in its order with just the schema's columns, one row group at a time. Raises UserError where
    the file or a column is missing."""
    with _reading(path):
        file = pq.ParquetFile(path)
        for group in range(file.num_row_groups):
            yield from _as(schema, file.read_row_group(group), path).to_pylist()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{path} cannot be read as Parquet ({reason}); restore it with `dvc checkout`") from None


def _as(schema: pa.Schema, table: pa.Table, path: Path) -> pa.Table:
    absent = [name for name in schema.names if name not in table.column_names]
    if absent:
        raise UserError(f"{path} has no column {', '.join(absent)}; it was made by another version: `dvc repro -f`")
    try:
        return table.select(schema.names).cast(schema)
    except pa.ArrowException as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f"{path} has columns of other types ({reason}); it was made by another version: `dvc repro -f`"
        ) from None


def _some_rows(file: pq.ParquetFile, wanted: Mapping[str, set[str]]) -> pa.Table:
    """Rows by the values of columns. By hand: pyarrow's own filters import pandas, which takes a second."""
    metadata = file.metadata
    groups = [group for group in range(metadata.num_row_groups) if _may_hold(metadata.row_group(group), wanted)]
    table = file.read_row_groups(groups) if groups else pa.Table.from_batches([], file.schema_arrow)
    rows: Iterable[int] = range(table.num_rows)
    for column, values in wanted.items():
        if column in table.column_names:
            there = table.column(column).to_pylist()
            rows = [row for row in rows if there[row] in values]
    return table.take(pa.array(rows, pa.int64()))


def _may_hold(group: pq.RowGroupMetaData, wanted: Mapping[str, set[str]]) -> bool:
    for place in range(group.num_columns):
        column = group.column(place)
        values = wanted.get(column.path_in_schema)
        known = column.statistics
        if values is None or known is None or not known.has_min_max:
            continue
        if not any(known.min <= value <= known.max for value in values):
            return False
    return True
