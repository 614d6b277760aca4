"""Any-to-any retrieval: `results/evaluate/directions.parquet`, and `directions` in `metrics.json`.

A direction is written as OmniRetriever-Bench writes it (Omni-Retriever, arXiv 2605.26641): `a2tv` asks with a video's
sound for the same video's text with its picture. t is the document's own text, v its frames, a its sound; a query of
the corpus is none of them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.artifacts.tables import Table
from tasks.shared.artifacts.types import RESULTS

FOLDER = RESULTS / "evaluate"
TABLE = "directions.parquet"

DIRECTIONS: dict[str, tuple[str, str]] = {  # the view that asks, and the view that is searched
    "t2v": ("text", "video"),
    "v2t": ("video", "text"),
    "t2a": ("text", "audio"),
    "a2t": ("audio", "text"),
    "v2a": ("video", "audio"),
    "a2v": ("audio", "video"),
    "t2av": ("text", "video+audio"),
    "av2t": ("video+audio", "text"),
    "a2tv": ("audio", "text+video"),
    "tv2a": ("text+video", "audio"),
    "v2at": ("video", "text+audio"),
    "at2v": ("text+audio", "video"),
}
SINGLE = tuple(name for name, views in DIRECTIONS.items() if not any("+" in view for view in views))
AVERAGES: dict[str, tuple[str, ...]] = {
    "AVG-single": SINGLE,
    "AVG-dual": tuple(name for name in DIRECTIONS if name not in SINGLE),
    "AVG-all": tuple(DIRECTIONS),
}
CUTS = {"R@1": 1, "R@5": 5, "R@10": 10}
FIRST = "R@1"  # what intervals and the test are of


@dataclass(frozen=True)
class Ranked:
    """At which rank, from 1, a system found a video when it was asked with another view of it."""

    system: str
    direction: str
    video_id: str
    rank: int


@dataclass(frozen=True)
class Lead:
    """Tuned over base: mean difference of R@1 over all directions, and p of the paired randomisation test."""

    difference: float
    p: float


@dataclass(frozen=True)
class Directions:
    """What the directions score."""

    documents: int  # videos that have text, picture and sound: each asks, and all of them are searched
    systems: dict[str, dict[str, dict[str, float]]]  # by system and direction or average: R@1, R@5, R@10
    intervals: dict[str, dict[str, list[float]]]  # likewise: 95 % bootstrap interval of R@1 over videos
    lead: Lead | None  # None where there is one system only, or nothing to ask


ROWS = Table(Ranked, TABLE)
write_ranked = ROWS.write  # given the folder and the rows, in the order given


def read_ranked(folder: Path = FOLDER, systems: Collection[str] | None = None) -> list[Ranked]:
    """The ranks in the order written, of some systems where they are named."""
    return ROWS.read(folder, system=systems)
