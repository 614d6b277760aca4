"""The transcribe artifact: `results/transcribe/transcripts.parquet`.

One row a video of which it was found out what is said in it or what is written in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.runtime.files import read_parquet, write_parquet

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
        text: what is said; empty where nothing is, or nobody listened.
        language: as the recogniser heard it; None where there is no speech, or the transcript came with the dataset.
        segments: the text with its times; empty where the transcript came with the dataset.
        ocr: lines of on-screen text, each once, parted by line feeds; None where nobody read.
    """

    video_id: str
    text: str
    language: str | None
    language_probability: float
    segments: list[Segment]
    ocr: str | None = None


TRANSCRIPT_SCHEMA = pa.schema(
    [
        ("video_id", pa.string()),
        ("text", pa.string()),
        ("language", pa.string()),
        ("language_probability", pa.float64()),
        (
            "segments",
            pa.list_(pa.struct([("start", pa.float64()), ("end", pa.float64()), ("text", pa.string())])),
        ),
        ("ocr", pa.string()),
    ]
)


def write_transcripts(folder: Path, transcripts: Iterable[Transcript]) -> None:
    """Write the table into the transcribe folder, sorted by video id."""
    rows = [asdict(one) for one in sorted(transcripts, key=lambda one: one.video_id)]
    write_parquet(folder / TABLE, pa.Table.from_pylist(rows, schema=TRANSCRIPT_SCHEMA))


def read_transcripts(folder: Path = FOLDER, video_ids: Collection[str] | None = None) -> dict[str, Transcript]:
    """Transcripts by video id, in id order, of some videos where they are named; those without words are not there."""
    rows = read_parquet(folder / TABLE, TRANSCRIPT_SCHEMA, {"video_id": video_ids}).to_pylist()
    return {
        row["video_id"]: Transcript(**{**row, "segments": [Segment(**one) for one in row["segments"]]}) for row in rows
    }
