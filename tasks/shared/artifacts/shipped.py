"""Features that come with a dataset: what is said in a video and what is written in it.

`results/corpus/shipped.parquet`: one row for every video that comes with any; empty where the
dataset has videos only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.parquet import parquet_rows

TABLE = "shipped.parquet"
PATH = RESULTS / "corpus" / TABLE


@dataclass(frozen=True)
class Shipped:
    """Features of one video.

    Attributes:
        transcript: what is said in it, perhaps nothing; None where no transcript is shipped.
        frames: what is written in each of its frames, in their order, lines parted by line feeds; frames without
            text are left out. None where no on-screen text is shipped.
    """

    video_id: str
    transcript: str | None
    frames: list[str] | None

    def digest(self) -> str:
        """The identity of the features, whatever the video's id."""
        return sha256_json([self.transcript, self.frames])


ROWS = Table(Shipped, order=("video_id",))


def write_shipped(folder: Path, shipped: Iterable[Shipped]) -> None:
    """Write the table into the corpus folder, sorted by video id."""
    ROWS.write(folder / TABLE, shipped)


def read_shipped(path: Path = PATH) -> Iterator[Shipped]:
    """The rows in id order, a few thousand at a time: the texts of a large dataset are not held all at once."""
    return (Shipped(**row) for row in parquet_rows(path, ROWS.schema))
