"""Where a video stands in rankings, found without reading them whole into memory, and vectors by id."""

from __future__ import annotations

import hashlib
import mmap
from pathlib import Path

import pyarrow as pa

from tasks.shared.runtime.parquet import read_parquet

VECTOR = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])


def ranks_of(path: Path, video_id: str) -> dict[str, int]:
    """The rank of a video by query id, in a TREC run: lines `query Q0 video rank score system`."""
    wanted = f" {video_id} ".encode()
    found: dict[str, int] = {}
    if not path.stat().st_size:
        return found
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(wanted)
        while place >= 0:
            start, end = content.rfind(b"\n", 0, place) + 1, content.find(b"\n", place)
            fields = content[start : len(content) if end < 0 else end].decode().split(" ")
            if len(fields) == 6 and fields[2] == video_id:
                found[fields[0]] = int(fields[3])
            place = content.find(wanted, place + 1)
    return found


def vector_digest(path: Path, item_id: str) -> str | None:
    """sha256 of an item's float32 little-endian vector; None where it has none."""
    rows = read_parquet(path, VECTOR, {"id": [item_id]}).column("vector").to_pylist()
    if not rows:
        return None
    import numpy as np

    return hashlib.sha256(np.asarray(rows[0], dtype="<f4").tobytes()).hexdigest()
