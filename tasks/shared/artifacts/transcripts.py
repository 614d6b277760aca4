"""The transcribe artifact: `results/transcribe/transcripts.parquet`.

One row for every video whose speech was transcribed or whose on-screen text was read, with the digests of what these
were made from.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.rows import Mismatch
from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.parquet import read_parquet

if TYPE_CHECKING:
    from tasks.shared.artifacts.media import Media
    from tasks.shared.artifacts.shipped import Shipped

FOLDER = RESULTS / "transcribe"
TABLE = "transcripts.parquet"


@dataclass(frozen=True)
class Segment:
    """A stretch of speech: start and end in seconds, and its words."""

    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Transcript:
    """What is said in one video, and what is written in it.

    Attributes:
        text: what is said; empty where nothing is, or the sound was not transcribed.
        language: as recognised; None where there is no speech, or the transcript came with the dataset.
        segments: the text with its times; empty where the transcript came with the dataset.
        ocr: lines of on-screen text, each once, parted by line feeds; None where it was not read.
        audio_sha256: of the audio file that was transcribed; None where none was.
        video_sha256: of the video file whose on-screen text was read; None where it was not read.
        shipped_sha256: of the features that the dataset ships (`Shipped.digest`), where any of them are here.
    """

    video_id: str
    text: str
    language: str | None
    language_probability: float
    segments: list[Segment]
    ocr: str | None = None
    audio_sha256: str | None = None
    video_sha256: str | None = None
    shipped_sha256: str | None = None

    def digest(self) -> str:
        """The identity of the words: of what is said and what is written, without times."""
        return sha256_json([self.text, self.ocr])


ROWS = Table(Transcript, order=("video_id",))


def write_transcripts(folder: Path, transcripts: Iterable[Transcript]) -> None:
    """Write the table into the transcribe folder, sorted by video id."""
    ROWS.write(folder / TABLE, transcripts)


def read_transcripts(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, Transcript]:
    """Transcripts by video id, in id order, of some videos where they are named; those without words are not there."""
    rows = read_parquet(folder / TABLE, ROWS.schema, {"video_id": video_ids}).to_pylist()
    return {
        row["video_id"]: Transcript(**{**row, "segments": [Segment(**one) for one in row["segments"]]}) for row in rows
    }


def mismatched(
    transcripts: Mapping[str, Transcript], media: Mapping[str, Media], shipped: Iterable[Shipped] = ()
) -> Iterator[Mismatch]:
    """Transcripts by video id that were made from another sound, picture or shipped text than their id has.

    Args:
        transcripts: the rows.
        media: what was extracted, by video id.
        shipped: the dataset's features; transcripts of videos that are not among them are not compared with any.
    """
    path = str(FOLDER / TABLE)
    for video_id, one in transcripts.items():
        if (found := media.get(video_id)) is None:
            continue
        if one.audio_sha256 not in (None, found.audio_sha256):
            yield Mismatch(path, video_id, "audio", one.audio_sha256, found.audio_sha256, "transcribe")
        if one.video_sha256 not in (None, found.video_sha256):
            yield Mismatch(path, video_id, "video", one.video_sha256, found.video_sha256, "transcribe")
    for features in shipped:
        row = transcripts.get(features.video_id)
        if row is not None and row.shipped_sha256 not in (None, digest := features.digest()):
            yield Mismatch(path, features.video_id, "shipped text", row.shipped_sha256, digest, "transcribe")
