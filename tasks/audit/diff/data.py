"""What differs in the data: videos, queries, judgments, extracted media, transcripts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.audit.diff.change import Items, items
from tasks.audit.diff.pair import Pair
from tasks.shared.artifacts import media, transcripts
from tasks.shared.artifacts.corpus import SPLITS, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

CORPUS = RESULTS / "corpus"
VIDEOS, QUERIES = CORPUS / "manifest.parquet", CORPUS / "queries.parquet"
Rows = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class DataDifference:
    """Tables of the data in A and in B; a table that cannot be compared is None.

    Attributes:
        judgments: by split; an item is `query video`.
    """

    videos: Items | None
    queries: Items | None
    judgments: dict[str, Items | None]
    media: Items | None
    transcripts: Items | None

    def tables(self) -> dict[str, Items | None]:
        """Every table by its name."""
        judged = {f"judgments, {split}": one for split, one in self.judgments.items()}
        return {
            "videos": self.videos,
            "queries": self.queries,
            **judged,
            "media": self.media,
            "transcripts": self.transcripts,
        }


def data_difference(pair: Pair, unknown: list[str]) -> DataDifference:
    """Compare every table; what cannot be compared is said in `unknown`."""

    def table(what: str, path: Path, rows: Callable[[Path], Rows]) -> Items | None:
        try:
            if pair.same(path):
                return Items(same_bytes=True)
            return items(*pair.read(path, rows))
        except UserError as error:
            unknown.append(f"{what}: {error}")
            return None

    return DataDifference(
        videos=table("videos", VIDEOS, lambda path: _rows(read_videos(path), "video_id")),
        queries=table("queries", QUERIES, lambda path: _rows(read_queries(path), "query_id")),
        judgments={split: table(f"judgments, {split}", CORPUS / f"qrels.{split}.trec", _judged) for split in SPLITS},
        media=table("media", media.FOLDER / media.TABLE, lambda path: _fields(media.read_media(path.parent))),
        transcripts=table(
            "transcripts",
            transcripts.FOLDER / transcripts.TABLE,
            lambda path: _fields(transcripts.read_transcripts(path.parent)),
        ),
    )


def _rows(found: Iterable[Any], key: str) -> Rows:
    return {getattr(one, key): vars(one) for one in found}


def _fields(found: Mapping[str, Any]) -> Rows:
    return {name: vars(one) for name, one in found.items()}


def _judged(path: Path) -> Rows:
    return {
        f"{query} {video}": {"relevance": relevance}
        for query, judged in read_qrels(path).items()
        for video, relevance in judged.items()
    }
