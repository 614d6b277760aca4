"""The index artifact: a LanceDB table of videos to search, and the content manifest that identifies it.

`results/encode/lancedb/` holds the table `videos` of the final system. Its bytes differ from build to build, so
`index.manifest.json` beside it states its content and the checkpoint that made it (`indexed.py` has the same row by
row). Search is exact: there is no approximate index.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa

from tasks.shared.artifacts.tables import Table, read_record
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.artifacts.vectors import Vectors, vector_column
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json, write_json

if TYPE_CHECKING:
    from tasks.shared.artifacts.corpus import Video
    from tasks.shared.artifacts.transcripts import Transcript

FOLDER = RESULTS / "encode"
DATABASE = "lancedb"
MANIFEST = "index.manifest.json"
TABLE = "videos"
TAG = "published"
METRIC: Literal["dot"] = "dot"  # vectors have length 1, so this is the cosine

FILTERS = ("language", "video_type")


@dataclass(frozen=True)
class Encoding:
    """How the vectors were made, and so how a query's must be."""

    system: str
    checkpoint: str  # System.digest()
    dtype: str
    max_text_tokens: int
    max_query_tokens: int
    text_cut: Literal["end", "fields"]

    @property
    def limits(self) -> dict[str, Any]:
        """How much text is read."""
        return {name: getattr(self, name) for name in ("max_text_tokens", "max_query_tokens", "text_cut")}


@dataclass(frozen=True)
class IndexManifest:
    """What the table holds; equal content gives an equal manifest."""

    table: str
    rows: int
    dimension: int
    metric: str
    search: str  # exact
    encoding: Encoding
    vectors_sha256: str  # over the digests of all rows, by video id
    payload_sha256: str
    filters: dict[str, dict[str, int]]  # by column: its values and how many videos have each


@dataclass(frozen=True)
class RowDigests:
    """sha256 of a row's vector and of its other columns."""

    vector: str
    payload: str


@dataclass(frozen=True)
class Hit:
    """A row of the table as search returns it: its inner product with the query, and what is known of the video."""

    similarity: float
    video_id: str
    title: str | None
    description: str | None
    caption: str | None
    language: str | None
    video_type: str | None
    path: str
    duration: float | None
    split: str
    transcript: str | None
    ocr: str | None


PAYLOAD = Table(Hit).schema.remove(0)  # the columns beside the vector


def write_index(
    folder: Path, vectors: Vectors, videos: Iterable[Video], transcripts: Mapping[str, Transcript], encoding: Encoding
) -> dict[str, RowDigests]:
    """Write table and manifest into a folder without one; the digests of its rows by video id, as read back from the
    table. Raises UserError where a vector's id is no video's."""
    import lancedb

    known = {video.video_id: video for video in videos}
    if strangers := [video_id for video_id in vectors.ids if video_id not in known]:
        raise UserError(f"vector of {strangers[0]}, which is no video of the corpus; run `dvc repro -f encode`")
    rows = [_row(known[video_id], transcripts.get(video_id)) for video_id in vectors.ids]
    columns = pa.Table.from_pylist(rows, schema=PAYLOAD).append_column("vector", vector_column(vectors.values))
    table = lancedb.connect(str(folder / DATABASE)).create_table(TABLE, data=columns)
    table.tags.create(TAG, table.version)
    written = table.to_arrow()
    write_json(folder / MANIFEST, asdict(describe(written, encoding)))
    return row_digests(written)


def _row(video: Video, transcript: Transcript | None) -> dict[str, Any]:
    words = {"transcript": (transcript and transcript.text) or None, "ocr": (transcript and transcript.ocr) or None}
    return {name: getattr(video, name) for name in PAYLOAD.names if name not in words} | words


def row_digests(table: pa.Table) -> dict[str, RowDigests]:
    """Digests of every row's content by video id, in id order. Raises UserError where a column is missing or of another
    type."""
    import numpy as np

    absent = [name for name in (*PAYLOAD.names, "vector") if name not in table.column_names]
    if absent or not pa.types.is_fixed_size_list(table.schema.field("vector").type):
        raise UserError(f"table {TABLE} has no column {', '.join(absent) or 'of vectors'}; run `dvc repro -f encode`")
    table = table.sort_by("video_id")
    column = table.column("vector").combine_chunks()
    values = np.asarray(column.flatten(), dtype="<f4").reshape(table.num_rows, -1)
    return {
        row["video_id"]: RowDigests(hashlib.sha256(vector.tobytes()).hexdigest(), sha256_json(row))
        for row, vector in zip(table.select(PAYLOAD.names).to_pylist(), values, strict=True)
    }


def describe(table: pa.Table, encoding: Encoding) -> IndexManifest:
    """The manifest of a table's content, whatever the order of its rows."""
    rows = row_digests(table)
    counts = {name: Counter(table.column(name).drop_null().to_pylist()) for name in FILTERS}
    return IndexManifest(
        table=TABLE,
        rows=len(rows),
        dimension=table.schema.field("vector").type.list_size,
        metric=METRIC,
        search="exact",
        encoding=encoding,
        vectors_sha256=sha256_json({video_id: one.vector for video_id, one in rows.items()}),
        payload_sha256=sha256_json({video_id: one.payload for video_id, one in rows.items()}),
        filters={name: dict(sorted(found.items())) for name, found in counts.items()},
    )


def read_index_manifest(folder: Path = FOLDER) -> IndexManifest:
    """The content manifest; UserError where there is none, or another version wrote it."""
    if not (folder / MANIFEST).is_file():
        raise UserError(f"no index in {folder}; run `dvc repro` to make one, or name another with --index")
    return read_record(IndexManifest, folder / MANIFEST, "encode")
