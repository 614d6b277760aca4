"""The encode artifact's vectors: `results/encode/vectors/<system>.<kind>.parquet`, of a view `<kind>.<view>`.

Vectors are fp32 and L2-normalised, so their inner product is the cosine. A view is a video shown with some modalities:
it has a vector only where the video has all of them. Without a view, a video's vector is that of its indexed document.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pyarrow as pa

from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.types import MODALITIES, RESULTS, Modality
from tasks.shared.runtime.parquet import read_parquet, write_parquet

if TYPE_CHECKING:
    import numpy as np

FOLDER = RESULTS / "encode" / "vectors"
Kind = Literal["videos", "queries", "training_videos", "training_queries"]  # not called training: of the test split
SYSTEMS = ("tuned", "base")
VIEWS: dict[str, tuple[Modality, ...]] = {  # text, video, audio, text+video, text+audio, video+audio
    "+".join(shown): shown for size in (1, 2) for shown in combinations(MODALITIES, size)
}


SCHEMA = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32())), ("source_sha256", pa.string())])


@dataclass(frozen=True)
class Vectors:
    """Ids in order and their vectors."""

    ids: list[str]
    values: np.ndarray  # float32 (n, dim)
    sources: list[str] = field(default_factory=list)  # digests of what each was made from


def rows_of(vectors: Vectors, ids: Iterable[str]) -> Vectors:
    """The vectors of these ids, in their order; an id that has none is left out."""
    row_of = {one: row for row, one in enumerate(vectors.ids)}
    there = [one for one in ids if one in row_of]
    rows = [row_of[one] for one in there]
    return Vectors(there, vectors.values[rows], [vectors.sources[row] for row in rows] if vectors.sources else [])


def write_vectors(folder: Path, system: str, kind: Kind, vectors: Vectors, view: str | None = None) -> None:
    """Write one table of id, vector and the digest of what it was made from, in the order given."""
    if len(vectors.sources) != len(vectors.ids):
        raise ValueError(f"{len(vectors.ids)} vectors were made from {len(vectors.sources)} sources")
    columns = pa.array(vectors.ids, pa.string()), vector_column(vectors.values), pa.array(vectors.sources, pa.string())
    write_parquet(folder / _name(system, kind, view), pa.table(list(columns), SCHEMA.names))


def vector_column(values: np.ndarray) -> pa.FixedSizeListArray:
    """Vectors (n, dim) as a column of float32 lists."""
    flat = pa.array(values.astype("float32", copy=False).reshape(-1), type=pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def _name(system: str, kind: Kind, view: str | None) -> str:
    return ".".join([system, kind, *([view] if view else []), "parquet"])


def read_vectors(
    system: str, kind: Kind, folder: Path = FOLDER, view: str | None = None, ids: Collection[str] | None = None
) -> Vectors:
    """Vectors of one system, videos or queries, of some where they are named; of a view, of those that have it."""
    import numpy as np

    path = folder / _name(system, kind, view)
    table = read_parquet(path, SCHEMA, {"id": ids})
    rows = table.column("vector").combine_chunks()
    values = np.asarray(rows.flatten(), dtype=np.float32)
    values = values.reshape(len(rows), -1) if len(rows) else np.empty((0, 0), np.float32)
    return Vectors(table.column("id").to_pylist(), values, table.column("source_sha256").to_pylist())


def mismatched(
    system: str, kind: Kind, vectors: Vectors, sources: Mapping[str, str], view: str | None = None
) -> Iterator[Mismatch]:
    """Vectors that were made from another document or query text than their id has. `sources` has digests by id, of
    documents or of queries; an id that is not there is not compared."""
    what = "query text" if kind.endswith("queries") else "document"
    for one, source in zip(vectors.ids, vectors.sources, strict=True):
        if one in sources and sources[one] != source:
            yield Mismatch(str(FOLDER / _name(system, kind, view)), one, what, source, sources[one], "encode")
