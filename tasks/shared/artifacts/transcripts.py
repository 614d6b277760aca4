"""The transcribe artifact: `results/transcribe/transcripts.parquet`.

One row for every video whose speech was transcribed or whose on-screen text was read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts import media
from tasks.shared.artifacts.rows import Mismatch, refuse
from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json

if TYPE_CHECKING:
    from tasks.shared.artifacts.corpus import Video
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
    """What is said in one video, and what is written in it."""

    video_id: str
    text: str  # empty where nothing is said, or the sound was not transcribed
    language: str | None  # as recognised; None without speech, and where the transcript came with the dataset
    language_probability: float
    segments: list[Segment]  # the text with its times; empty where it came with the dataset
    ocr: str | None = None  # on-screen text, each line once; None where it was not read
    audio_sha256: str | None = None  # of the audio file that was transcribed
    video_sha256: str | None = None  # of the video file whose on-screen text was read
    shipped_sha256: str | None = None  # `Shipped.digest`, where any of it is here

    def digest(self) -> str:
        """The identity of the words: of what is said and what is written, without times."""
        return sha256_json([self.text, self.ocr])


ROWS = Table(Transcript, TABLE, ("video_id",))
write_transcripts = ROWS.write  # given the transcribe folder and the rows


def read_transcripts(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, Transcript]:
    """Transcripts by video id, in id order, of some videos where they are named; those without words are not there."""
    return {one.video_id: one for one in ROWS.read(folder, video_id=video_ids)}


def mismatched(
    transcripts: Mapping[str, Transcript], extracted: Mapping[str, Media], shipped: Iterable[Shipped] = ()
) -> Iterator[Mismatch]:
    """Transcripts by video id that were made from another sound, picture or shipped text than their id has; transcripts
    of videos without media or shipped features are compared with none."""

    def compared(video_id: str, what: str, recorded: str | None, found: str | None) -> Iterator[Mismatch]:
        if recorded not in (None, found):
            yield Mismatch(str(FOLDER / TABLE), video_id, what, recorded, found, "transcribe")

    for video_id, one in transcripts.items():
        if (of_video := extracted.get(video_id)) is not None:
            yield from compared(video_id, "audio", one.audio_sha256, of_video.audio_sha256)
            yield from compared(video_id, "video", one.video_sha256, of_video.video_sha256)
    for features in shipped:
        if (row := transcripts.get(features.video_id)) is not None:
            yield from compared(features.video_id, "shipped text", row.shipped_sha256, features.digest())


def read_proved(videos: Iterable[Video], root: Path = RESULTS) -> tuple[dict[str, Media], dict[str, Transcript]]:
    """Media and transcripts of a results folder. Raises UserError for a row of one of the videos that was made from
    something else than its video has."""
    found, transcripts = media.read_media(root / "extract"), read_transcripts(root / "transcribe")
    refuse(media.mismatched(found, videos))
    refuse(mismatched(transcripts, found))
    return found, transcripts
