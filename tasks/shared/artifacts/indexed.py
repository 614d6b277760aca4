"""What every row of the index was made of: `results/encode/documents.parquet`, a row a video.

The index manifest identifies the table as a whole; this is the same, row by row, so that a row that is missing, altered
or strange can be named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.document import document_digest
from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS

if TYPE_CHECKING:
    from tasks.shared.artifacts.media import Media
    from tasks.shared.artifacts.transcripts import Transcript

FOLDER = RESULTS / "encode"
TABLE = "documents.parquet"


@dataclass(frozen=True)
class IndexedDocument:
    """A video as the final system encoded it; None for a modality that it has not, or that the params do not admit."""

    video_id: str
    document_sha256: str  # `document_digest` of the digests below
    modalities: list[str]  # of text, video and audio
    text: str | None  # as the model read it, cut to the limit of tokens
    text_tokens: int  # of the whole text
    text_sha256: str | None  # of the whole text
    transcript_sha256: str | None  # `Transcript.digest`; None where there is none, or no text
    frames: int
    frames_sha256: str | None  # of the extracted file that was read
    audio_sha256: str | None  # of the extracted file that was read
    vector_sha256: str  # of the row's float32 little-endian vector
    payload_sha256: str  # of the canonical JSON of the row's other columns


ROWS = Table(IndexedDocument, TABLE, ("video_id",))
write_indexed = ROWS.write  # given the folder and the rows


def read_indexed(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, IndexedDocument]:
    """Documents by video id, in id order, of some videos where they are named."""
    return {one.video_id: one for one in ROWS.read(folder, video_id=video_ids)}


def mismatched(
    documents: Mapping[str, IndexedDocument], media: Mapping[str, Media], transcripts: Mapping[str, Transcript]
) -> Iterator[Mismatch]:
    """Documents by video id whose frames, sound or transcript are not those that their id has, or whose own digest is
    not that of its parts."""
    for video_id, one in documents.items():
        here, words = media.get(video_id), transcripts.get(video_id)
        made_from = [
            ("frames", one.frames_sha256, here.frames_sha256 if here else None),
            ("audio", one.audio_sha256, here.audio_sha256 if here else None),
            ("transcript", one.transcript_sha256, words.digest() if words else None),
        ]
        found = [(what, recorded, now) for what, recorded, now in made_from if recorded not in (None, now)]
        whole = document_digest(one.text_sha256, one.frames_sha256, one.frames, one.audio_sha256)
        if one.document_sha256 != whole:
            found.append(("content", one.document_sha256, whole))
        for what, recorded, now in found:
            yield Mismatch(str(FOLDER / TABLE), video_id, what, recorded, now, "encode")
