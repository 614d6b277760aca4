"""What training showed the model: `results/train/exposures.parquet`, a row for every video, query and role.

It says which videos were shown for which queries in which steps: positives, negatives that mining found, and those
drawn at random where it found too few. `altered.parquet` beside it lists documents that were shown without one of their
modalities, or with one of another video, both decided at random.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa

from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS, Modality

FOLDER = RESULTS / "train"
TABLE = "exposures.parquet"
ALTERED = "altered.parquet"

Step = Annotated[int, pa.int32()]  # of the optimiser, from 1
Role = Literal["positive", "mined", "drawn"]  # mined: a hard negative; drawn: a negative at random


@dataclass(frozen=True)
class Exposure:
    """A video shown as a query's positive or negative."""

    video_id: str
    query_id: str
    role: Role
    steps: list[Step]  # in which it was shown; one that stands twice showed it twice
    others: int  # queries in the batches that it was in, of which it was an in-batch negative, summed


Alteration = Literal["swapped", "dropped"]


@dataclass(frozen=True)
class Altered:
    """A video that was shown for a query without one modality, or with that of another video, in steps of the
    optimiser. swapped: as a negative of itself (tuple negative), with one modality of the video `partner`; dropped: in
    its role in the exposures, without one modality."""

    video_id: str
    query_id: str
    how: Alteration
    modality: Modality
    partner: str | None
    steps: list[Step]


ROWS = Table(Exposure, TABLE, ("video_id", "query_id", "role"))
ALTERED_ROWS = Table(Altered, ALTERED, ("video_id", "query_id", "how", "modality", "partner"))
write_exposures = ROWS.write  # given the folder and the rows
write_altered = ALTERED_ROWS.write


def read_altered(
    folder: Path = FOLDER, video_ids: Collection[str] | None = None, query_ids: Collection[str] | None = None
) -> list[Altered]:
    """The rows in the order written, of some videos or queries where they are named. Those of a video itself come
    first, then those in which it is the partner."""
    columns = ("video_id",) if video_ids is None else ("video_id", "partner")  # no video is its own partner
    found: list[Altered] = []
    for column in columns:
        found += ALTERED_ROWS.read(folder, **{column: video_ids, "query_id": query_ids})
    return found


def read_exposures(
    folder: Path = FOLDER, video_ids: Collection[str] | None = None, query_ids: Collection[str] | None = None
) -> list[Exposure]:
    """The rows in the order written, of some videos or queries where they are named."""
    return ROWS.read(folder, video_id=video_ids, query_id=query_ids)
