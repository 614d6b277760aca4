"""Tamperings with the rows of two ids: what was made of them is swapped, and the manifest and dvc.lock of the stage are
made to agree, so that only other rows can tell.
"""

from __future__ import annotations

from typing import Any

import lancedb
import pyarrow as pa
import pyarrow.parquet as pq

from tests.audit.tamperer import LANCE, Tamperer, Tampering
from tests.audit.tampering_records import relock, republish

MEDIA = "results/extract/media.parquet"
TRANSCRIPTS = "results/transcribe/transcripts.parquet"


def swap_transcripts(t: Tamperer) -> Tampering:
    """The words alone, of videos in the index; or the words and what they were heard in, of any."""
    columns = ["text", "language", "language_probability", "segments", "ocr"]
    videos: list[str] | None = _indexed(t)
    if t.random.random() < 0.5:
        columns.append("audio_sha256")
        videos = None
    ids = _swap(t, TRANSCRIPTS, "video_id", columns, videos)
    return Tampering("transcripts swapped", _rows(TRANSCRIPTS, ids), republish(t, TRANSCRIPTS))


def swap_frames(t: Tamperer) -> Tampering:
    """The strips of frames of two videos in the index; or these and what their rows say of them."""
    rows = {row["video_id"]: row for row in pq.read_table(t.root / MEDIA).to_pylist()}
    first, second = t.random.sample([one for one in _indexed(t) if rows[one]["frames"]], 2)
    paths = [f"results/extract/{rows[one]['frames']}" for one in (first, second)]
    contents = [t.keep(path).read_bytes() for path in paths]
    for path, content in zip(paths, reversed(contents), strict=True):
        (t.root / path).write_bytes(content)
    if t.random.random() < 0.5:
        _swap(t, MEDIA, "video_id", ["frames_sha256"], [first, second])
    return Tampering("frame strips swapped", _rows(MEDIA, (first, second)), republish(t, *paths, MEDIA))


def swap_vectors(t: Tamperer) -> Tampering:
    """The vectors of two videos in the final system's table."""
    path = "results/encode/vectors/tuned.videos.parquet"
    ids = _swap(t, path, "id", ["vector"], None)
    return Tampering("vectors swapped", _rows(path, ids), republish(t, path))


def swap_index_vectors(t: Tamperer) -> Tampering:
    """The vectors of two rows of the index."""
    table = lancedb.connect(str(t.keep_folder(LANCE))).open_table("videos")
    rows = {row["video_id"]: row["vector"] for row in table.to_arrow().to_pylist()}
    first, second = t.random.sample(sorted(rows), 2)
    for one, other in ((first, second), (second, first)):
        table.update(where=f"video_id = '{one}'", values={"vector": rows[other]})
    return Tampering("index vectors swapped", _rows(LANCE, (first, second)), (LANCE, *relock(t, "encode")))


def _indexed(t: Tamperer) -> list[str]:
    table = pq.read_table(t.root / "results/encode/documents.parquet", columns=["video_id"])
    return sorted(table.column("video_id").to_pylist())


def _swap(t: Tamperer, path: str, key: str, columns: list[str], among: list[str] | None) -> tuple[str, str]:
    """Swap some columns of two rows that differ in them; the ids of these rows."""
    table = pq.read_table(t.keep(path))
    ids: list[str] = table.column(key).to_pylist()
    values: dict[str, list[Any]] = {name: table.column(name).to_pylist() for name in columns}
    while True:
        one, other = t.random.sample([place for place, row in enumerate(ids) if among is None or row in among], 2)
        if values[columns[0]][one] != values[columns[0]][other]:
            break
    for name, column in values.items():
        column[one], column[other] = column[other], column[one]
        field = table.schema.field(name)
        table = table.set_column(table.column_names.index(name), field, pa.array(column, field.type))
    pq.write_table(table, t.root / path, compression="zstd")
    return ids[one], ids[other]


def _rows(path: str, ids: tuple[str, str]) -> tuple[str, ...]:
    return tuple(f"{path} row {one}" for one in ids)
