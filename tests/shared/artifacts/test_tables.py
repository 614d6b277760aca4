"""A dataclass as the schema of a table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.shared.artifacts.tables import Table
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Part:
    start: float
    text: str


@dataclass(frozen=True)
class Thing:
    name: str
    kind: Literal["a", "b"] | None
    count: int
    steps: list[Annotated[int, pa.int32()]]
    parts: list[Part]


ROWS = Table(Thing, order=("kind", "name"))


def test_columns_are_the_fields() -> None:
    part = pa.struct([("start", pa.float64()), ("text", pa.string())])
    assert ROWS.schema == pa.schema(
        [
            ("name", pa.string()),
            ("kind", pa.string()),
            ("count", pa.int64()),
            ("steps", pa.list_(pa.int32())),
            ("parts", pa.list_(part)),
        ]
    )


def test_rows_are_written_sorted_and_read_as_they_were(tmp_path: Path) -> None:
    things = [Thing("z", "a", 1, [1, 2], []), Thing("y", "a", 2, [], []), Thing("x", None, 3, [3], [Part(0.5, "c")])]
    path = tmp_path / "things.parquet"
    ROWS.write(path, things)
    assert pq.read_table(path).column("name").to_pylist() == ["x", "y", "z"]
    assert ROWS.read(path, name=["y"]) == [things[1]]
    assert ROWS.read(path, name=["z"], kind=None) == [things[0]]
    Table(Thing).write(path, things)
    assert pq.read_table(path).column("name").to_pylist() == ["z", "y", "x"]
    with pytest.raises(UserError, match="is missing"):
        ROWS.read(tmp_path / "none.parquet")
