"""Tables in Parquet files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.parquet import read_parquet, write_parquet

SCHEMA = pa.schema([("id", pa.string()), ("count", pa.int64())])


def test_parquet_bytes_are_equal_in_another_process(tmp_path: Path) -> None:
    rows = [{"id": f"v{number}", "count": number} for number in range(70_000)]  # two row groups
    write_parquet(tmp_path / "here.parquet", pa.Table.from_pylist(rows, schema=SCHEMA))
    program = (
        "import sys, pyarrow as pa; from pathlib import Path; from tasks.shared.runtime.parquet import write_parquet\n"
        "rows = [{'count': n, 'id': f'v{n}'} for n in range(70_000)]\n"
        "schema = pa.schema([('id', pa.string()), ('count', pa.int64())])\n"
        "write_parquet(Path(sys.argv[1]), pa.Table.from_pylist(rows, schema=schema))"
    )
    there = tmp_path / "there.parquet"
    subprocess.run([sys.executable, "-c", program, there], check=True, cwd=Path(__file__).parents[3])
    assert there.read_bytes() == (tmp_path / "here.parquet").read_bytes()
    assert read_parquet(there, SCHEMA).num_rows == 70_000


def test_parquet_of_another_shape_is_a_users_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    with pytest.raises(UserError, match="is missing"):
        read_parquet(path, SCHEMA)
    path.write_bytes(b"PAR1 no")
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_parquet(path, SCHEMA)
    write_parquet(path, pa.table({"id": ["a"]}))
    with pytest.raises(UserError, match="no column count"):
        read_parquet(path, SCHEMA)
    write_parquet(path, pa.table({"id": ["a"], "count": ["many"]}))
    with pytest.raises(UserError, match="columns of other types"):
        read_parquet(path, SCHEMA)


def test_damaged_parquet_is_a_users_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    write_parquet(path, pa.table({"id": [f"v{n}" for n in range(5000)], "count": list(range(5000))}))
    content = bytearray(path.read_bytes())
    content[100:2000] = bytes(1900)
    path.write_bytes(content)
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        read_parquet(path, SCHEMA)


def test_columns_beyond_the_schema_are_left_out(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", pa.table({"more": [1], "count": [2], "id": ["x"]}))
    assert read_parquet(tmp_path / "a.parquet", SCHEMA).to_pylist() == [{"id": "x", "count": 2}]


def test_some_rows_are_those_of_the_whole_table_and_little_else_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows = [{"id": f"v{number:06}", "count": number % 7} for number in range(20_000)]
    write_parquet(path, pa.Table.from_pylist(rows, schema=SCHEMA))
    for wanted in (
        [],
        ["v000000"],
        ["v019999", "v004095", "v004096", "nothing"],
        [f"v{n:06}" for n in range(0, 20_000, 97)],
    ):
        assert read_parquet(path, SCHEMA, {"id": wanted}).to_pylist() == [row for row in rows if row["id"] in wanted]
    assert read_parquet(path, SCHEMA, {"id": None}).num_rows == 20_000

    first = pq.ParquetFile(path).metadata.row_group(0).column(0)
    damaged = bytearray(path.read_bytes())
    start = first.dictionary_page_offset or first.data_page_offset
    damaged[start : start + first.total_compressed_size] = bytes(first.total_compressed_size)
    path.write_bytes(damaged)
    assert read_parquet(path, SCHEMA, {"id": ["v019999"]}).to_pylist() == [rows[-1]]  # the first group is not touched
    with pytest.raises(UserError, match="cannot be read"):
        read_parquet(path, SCHEMA, {"id": ["v000001"]})
