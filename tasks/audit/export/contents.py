"""What a recorded file holds: its columns and how many rows it has."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tasks.shared.runtime.files import CHUNK

PARQUET, CSV = ".parquet", ".csv"
TABLES = (PARQUET, CSV, ".jsonl", ".trec")


@dataclass(frozen=True)
class Contents:
    """How many rows a table has, and its columns as OpenLineage's schema facet has them; None where it names none."""

    rows: int
    fields: list[dict[str, Any]] | None


def contents(path: Path) -> Contents:
    """What a table holds: Parquet, CSV with a line of names, JSON Lines, TREC runs and qrels."""
    if path.suffix == PARQUET:
        with pq.ParquetFile(path) as table:
            return Contents(table.metadata.num_rows, [_field(one) for one in table.schema_arrow])
    if path.suffix == CSV:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = csv.reader(stream)
            header = next(rows, [])
            return Contents(sum(1 for _ in rows), [{"name": name} for name in header])
    with path.open("rb") as stream:
        return Contents(sum(chunk.count(b"\n") for chunk in iter(lambda: stream.read(CHUNK), b"")), None)


def _field(field: pa.Field) -> dict[str, Any]:
    """A column; what is nested in it as https://openlineage.io/docs/spec/facets/dataset-facets/schema shows it."""
    kind = field.type
    if pa.types.is_struct(kind):
        return {"name": field.name, "type": "struct", "fields": [_field(kind.field(n)) for n in range(kind.num_fields)]}
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return {"name": field.name, "type": "array", "fields": [_field(kind.value_field.with_name("_element"))]}
    return {"name": field.name, "type": str(kind)}
