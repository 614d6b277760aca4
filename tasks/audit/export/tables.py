"""Rows and columns of the tables among the results."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from openlineage.client.generated.schema_dataset import SchemaDatasetFacetFields as Column

from tasks.shared.artifacts import index

if TYPE_CHECKING:
    import pyarrow as pa

TABLES = (".parquet", ".csv", ".jsonl", ".trec")


def rows_and_columns(path: Path) -> tuple[int, list[Column] | None]:
    """How many rows a table has, or the index by its content manifest, and its columns; None where it names none."""
    if path.name == index.MANIFEST:
        return index.read_index_manifest(path.parent).rows, None
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        with pq.ParquetFile(path) as table:
            return table.metadata.num_rows, [_column(one) for one in table.schema_arrow]
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            columns = [Column(name) for name in next(rows, [])]
            return sum(1 for _ in rows), columns
    with path.open("rb") as stream:
        return sum(1 for _ in stream), None


def _column(field: pa.Field) -> Column:
    """A column; what is nested in it as https://openlineage.io/docs/spec/facets/dataset-facets/schema shows it."""
    import pyarrow as pa

    kind = field.type
    if pa.types.is_struct(kind):
        return Column(field.name, "struct", fields=[_column(kind.field(number)) for number in range(kind.num_fields)])
    if hasattr(kind, "value_field"):  # a list of any kind
        return Column(field.name, "array", fields=[_column(kind.value_field.with_name("_element"))])
    return Column(field.name, str(kind))
