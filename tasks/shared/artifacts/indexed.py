"""What every row of the index was made of: `results/encode/documents.parquet`, a row a video.

The index manifest identifies the table as a whole; this is the same, row by row: what the model read of the video,
and digests of the row's vector and of its other columns, so that a row that is missing, altered or strange can be
named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.runtime.files import read_parquet, write_parquet

FOLDER = RESULTS / "encode"
TABLE = "documents.parquet"


@dataclass(frozen=True)
class IndexedDocument:
    """A video as the final system encoded it.

    Attributes:
        document_sha256: identity of the content: text, frames, sound.
        modalities: those of text, video and audio that it has and the params admit.
        text: as the model read it, cut to the limit of tokens; None without text.
        text_tokens: how many tokens the whole text has.
        frames: how many; 0 without picture.
        frames_sha256, audio_sha256: of the extracted files that were read; None where none was.
        vector_sha256: of the row's float32 little-endian vector.
        payload_sha256: of the canonical JSON of the row's other columns.
    """

    video_id: str
    document_sha256: str
    modalities: list[str]
    text: str | None
    text_tokens: int
    frames: int
    frames_sha256: str | None
    audio_sha256: str | None
    vector_sha256: str
    payload_sha256: str


SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("document_sha256", pa.string()),
        ("modalities", pa.list_(pa.string())),
        ("text", pa.string()),
        ("text_tokens", pa.int64()),
        ("frames", pa.int64()),
        ("frames_sha256", pa.string()),
        ("audio_sha256", pa.string()),
        ("vector_sha256", pa.string()),
        ("payload_sha256", pa.string()),
    ]
)


def write_indexed(folder: Path, documents: Iterable[IndexedDocument]) -> None:
    """Write the table, sorted by video id."""
    ordered = sorted(documents, key=lambda one: one.video_id)
    write_parquet(folder / TABLE, pa.Table.from_pylist([asdict(one) for one in ordered], schema=SCHEMA))


def read_indexed(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, IndexedDocument]:
    """Documents by video id, in id order, of some videos where they are named."""
    rows = read_parquet(folder / TABLE, SCHEMA, {"video_id": video_ids}).to_pylist()
    return {row["video_id"]: IndexedDocument(**row) for row in rows}
