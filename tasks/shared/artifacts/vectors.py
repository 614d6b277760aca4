"""The encode artifact's vectors: `results/encode/vectors/<system>.<videos|queries>.parquet`.

Systems are `tuned` (base with adapter) and `base`. Vectors are fp32 and L2-normalised, so their inner product is
the cosine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.files import read_parquet, write_parquet

if TYPE_CHECKING:
    import numpy as np

FOLDER = RESULTS / "encode" / "vectors"
Kind = Literal["videos", "queries"]
SYSTEMS = ("tuned", "base")


@dataclass(frozen=True)
class Vectors:
    """Ids in order and their vectors, float32 (n, dim)."""

    ids: list[str]
    values: np.ndarray


def write_vectors(folder: Path, system: str, kind: Kind, vectors: Vectors) -> None:
    """Write one table of id and vector, in the order given."""
    values = vectors.values.astype("float32", copy=False)
    flat = pa.array(values.reshape(-1), type=pa.float32())
    table = pa.table(
        {
            "id": pa.array(vectors.ids, pa.string()),
            "vector": pa.FixedSizeListArray.from_arrays(flat, values.shape[1]),
        }
    )
    write_parquet(folder / f"{system}.{kind}.parquet", table)


def read_vectors(system: str, kind: Kind, folder: Path = FOLDER) -> Vectors:
    """Vectors of one system, videos or queries."""
    import numpy as np

    path = folder / f"{system}.{kind}.parquet"
    table = read_parquet(path, pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))]))
    rows = table.column("vector").combine_chunks()
    values = np.asarray(rows.flatten(), dtype=np.float32)
    values = values.reshape(len(rows), -1) if len(rows) else np.empty((0, 0), np.float32)
    return Vectors(table.column("id").to_pylist(), values)
