"""What a source of videos hands to the corpus stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.shared.artifacts.corpus import Judgment, Query, Video
from tasks.shared.artifacts.shipped import Shipped
from tasks.shared.runtime.errors import UserError

VIDEO_SUFFIXES = tuple(
    f".{name}" for name in ("3gp", "avi", "flv", "m4v", "mkv", "mov", "mp4", "mpeg", "mpg", "ogv", "ts", "webm", "wmv")
)
SHOWN = 5  # names in a message


@dataclass(frozen=True)
class Source:
    """Everything read from a source, not checked yet."""

    videos: list[Video]
    queries: list[Query]
    judgments: list[Judgment]
    shipped: list[Shipped] = field(default_factory=list)  # features that lie beside, each video once
    read: list[Path] = field(default_factory=list)  # files of metadata, queries and judgments
    ignored: list[str] = field(default_factory=list)  # files that are none of these and no video
    missing: list[str] = field(default_factory=list)  # items that are named and left out, as their files are not there


def directory(path: Path) -> Path:
    """The path, where it is a directory apart from results/. Raises UserError where it is not."""
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "is missing"
        raise UserError(f"corpus.path = {path} {what}; set it to the directory of the videos in params.yaml")
    whole, results = path.resolve(), Path("results").resolve()
    if whole == results or whole in results.parents or results in whole.parents:
        raise UserError(f"corpus.path = {path} holds or lies in results/; keep the videos in a directory of their own")
    return path


def some(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")
