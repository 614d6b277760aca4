"""Tamperings with the LanceDB index: its rows, through LanceDB itself, and its bytes."""

from __future__ import annotations

import shutil
from typing import Any

import pyarrow as pa

from tests.audit.tamperer import LANCE, Tamperer, Tampering, flipped


def _open(t: Tamperer) -> Any:
    import lancedb

    return lancedb.connect(str(t.keep_folder(LANCE))).open_table("videos")


def _some_row(t: Tamperer, table: Any) -> str:
    return str(t.random.choice(sorted(table.to_arrow().column("video_id").to_pylist())))


def delete_row(t: Tamperer) -> Tampering:
    table = _open(t)
    video_id = _some_row(t, table)
    table.delete(f"video_id = '{video_id}'")
    return Tampering("index row deleted", (f"{LANCE} row {video_id}",), (LANCE,))


def add_row(t: Tamperer) -> Tampering:
    table = _open(t)
    rows = table.to_arrow()
    row = rows.slice(t.random.randrange(rows.num_rows), 1)
    video_id = t.random.choice(["a_stranger", row.column("video_id")[0].as_py()])
    table.add(row.set_column(0, rows.schema.field(0), pa.array([video_id])))
    return Tampering("index row added", (f"{LANCE} row {video_id}",), (LANCE,))


def change_row(t: Tamperer) -> Tampering:
    table = _open(t)
    video_id = _some_row(t, table)
    rows = table.to_arrow()
    if t.random.random() < 0.5:
        name = t.random.choice(["title", "caption", "language", "transcript", "path", "split"])
        table.update(where=f"video_id = '{video_id}'", values={name: "another"})
    else:
        place = rows.column("video_id").to_pylist().index(video_id)
        vector = rows.column("vector")[place].as_py()
        vector[t.random.randrange(len(vector))] += 0.25
        table.update(where=f"video_id = '{video_id}'", values={"vector": vector})
    return Tampering("index row changed", (f"{LANCE} row {video_id}",), (LANCE,))


def flip_index(t: Tamperer) -> Tampering:
    path = t.file(lance=True)
    t.keep(path).write_bytes(flipped((t.root / path).read_bytes(), t.random))
    return Tampering("index byte flipped", (path,), (LANCE,))


def rebuild_index(t: Tamperer) -> Tampering:
    import lancedb

    rows = _open(t).to_arrow()
    shutil.rmtree(t.root / LANCE)
    column = rows.column("vector").to_pylist()
    column[0] = [-one for one in column[0]]
    at = rows.column_names.index("vector")
    rows = rows.set_column(at, rows.schema.field(at), pa.array(column, rows.schema.field(at).type))
    table = lancedb.connect(str(t.root / LANCE)).create_table("videos", data=rows)
    table.tags.create("published", table.version)
    return Tampering(
        "index rebuilt with another vector", (f"{LANCE} row {rows.column('video_id')[0].as_py()}",), (LANCE,)
    )
