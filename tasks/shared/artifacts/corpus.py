"""The corpus artifact: videos, queries and judgments, as every later stage reads them.

`results/corpus/manifest.parquet`, `queries.parquet`, `qrels.train.trec`, `qrels.test.trec`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.shared.artifacts.tables import Table
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import lines_starting, sha256_text, write_text

Split = Literal["train", "test"]
SPLITS: tuple[Split, ...] = ("train", "test")


@dataclass(frozen=True)
class Video:
    """One video file. `path` is as seen from the workspace root; text fields are None where unknown."""

    video_id: str
    path: str
    sha256: str
    bytes: int
    duration: float | None  # seconds; None where the container doesn't say and could not be probed
    title: str | None = None
    description: str | None = None
    caption: str | None = None
    language: str | None = None  # ISO 639-1
    video_type: str | None = None  # professional, edited, raw
    split: Split = "test"
    event: str | None = None  # what happened, where the source knows it; lets an audit see same-event negatives


@dataclass(frozen=True)
class Query:
    """One query."""

    query_id: str
    text: str
    language: str | None
    type: str | None  # which modality answers it: base, description, speech, ocr
    split: Split
    event: str | None
    category: str | None = None  # what it is about, in words of the source such as sports

    def digest(self) -> str:
        """The identity of its text."""
        return sha256_text(self.text)


@dataclass(frozen=True)
class Judgment:
    """One line of qrels: how relevant a video is to a query (0 is judged not relevant)."""

    query_id: str
    video_id: str
    relevance: int


Qrels = dict[str, dict[str, int]]  # query id -> video id -> relevance

VIDEO_ROWS = Table(Video, order=("video_id",))
QUERY_ROWS = Table(Query, order=("query_id",))
write_videos = VIDEO_ROWS.write  # given the file and the rows
write_queries = QUERY_ROWS.write


def write_qrels(path: Path, judgments: Iterable[Judgment]) -> None:
    """Write TREC qrels (`query 0 video relevance`), sorted by query then video."""
    ordered = sorted(judgments, key=lambda judgment: (judgment.query_id, judgment.video_id))
    write_text(path, "".join(f"{j.query_id} 0 {j.video_id} {j.relevance}\n" for j in ordered))


def read_videos(path: Path, split: Split | None = None, video_ids: Collection[str] | None = None) -> list[Video]:
    """Videos in id order, of one split where one is named, and only some where they are named."""
    videos = VIDEO_ROWS.read(path, video_id=video_ids)
    return [video for video in videos if split is None or video.split == split]


def read_queries(path: Path, split: Split | None = None, query_ids: Collection[str] | None = None) -> list[Query]:
    """Queries in id order, of one split where one is named, and only some where they are named."""
    queries = QUERY_ROWS.read(path, query_id=query_ids)
    return [query for query in queries if split is None or query.split == split]


def read_qrels(path: Path) -> Qrels:
    """TREC qrels. Raises UserError where a line does not have four fields or its relevance is no whole number."""
    qrels: Qrels = defaultdict(dict)
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split()
        try:
            query_id, _, video_id, relevance = fields
            qrels[query_id][video_id] = int(relevance)
        except ValueError:
            hint = "write `query 0 video relevance`"
            raise UserError(f"{path}:{number}: not a TREC judgment: {line!r}; {hint}") from None
    return dict(qrels)


def read_judgments(path: Path, query_id: str) -> dict[str, int]:
    """Relevance by video id of one query, without parsing the rest of the file."""
    return {fields[2]: int(fields[3]) for line in lines_starting(path, query_id) if len(fields := line.split()) == 4}


def positives_of(qrels: Qrels, query_id: str) -> list[str]:
    """Ids of the videos judged relevant (above 0) to a query, sorted."""
    return sorted(video for video, relevance in qrels.get(query_id, {}).items() if relevance > 0)
