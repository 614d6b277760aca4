"""Features that come with a dataset: what is said in a video and what is written in it.

`results/corpus/shipped.parquet`: one row for every video that comes with any.
"""

from __future__ import annotations

from collections.abc import Iterator
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
    """Features of one video, None where they are not shipped."""

    video_id: str
    transcript: str | None  # what is said in it, perhaps nothing
    frames: list[str] | None  # what is written in each frame with text, in order; lines parted by line feeds

    def digest(self) -> str:
        """The identity of the features, whatever the video's id."""
        return sha256_json([self.transcript, self.frames])


ROWS = Table(Shipped, TABLE, ("video_id",))
write_shipped = ROWS.write  # given the corpus folder and the rows


def read_shipped(path: Path = PATH) -> Iterator[Shipped]:
    """The rows in id order, a few thousand at a time: the texts of a large dataset are not held all at once."""
    return (Shipped(**row) for row in parquet_rows(path, ROWS.schema))
