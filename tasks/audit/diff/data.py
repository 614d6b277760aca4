"""What differs in the data: videos, queries, judgments, extracted media, transcripts; item by item, by their ids."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.audit.change import Change, changes
from tasks.audit.diff.pair import Pair
from tasks.shared.artifacts import media, transcripts
from tasks.shared.artifacts.corpus import SPLITS, Query, Split, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

CORPUS = RESULTS / "corpus"
VIDEOS, QUERIES = CORPUS / "manifest.parquet", CORPUS / "queries.parquet"
Rows = Mapping[str, Mapping[str, Any]]  # fields by item id


@dataclass(frozen=True)
class Items:
    """The items of a table in A and in B, by id.

    Attributes:
        same_bytes: the table is the same file in both, so all is equal, and it was not read.
        equal: how many items both have alike; None where the table was not read.
        changed: the fields that differ, of items that both have.
    """

    same_bytes: bool = False
    equal: int | None = None
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    changed: dict[str, list[Change]] = field(default_factory=dict)

    @property
    def differ(self) -> bool:
        """Whether any item differs."""
        return bool(self.added or self.removed or self.changed)


def data_difference(pair: Pair, unknown: list[str]) -> dict[str, Items | None]:
    """Compare every table of the data, by its name; what cannot be compared is None, and `unknown` says why.

    An item of a table of judgments is `query video`.
    """
    tables: dict[str, tuple[Path, Callable[[Path], Rows]]] = {
        "videos": (VIDEOS, lambda path: {one.video_id: vars(one) for one in read_videos(path)}),
        "queries": (QUERIES, lambda path: {one.query_id: vars(one) for one in read_queries(path)}),
        **{f"judgments, {split}": (CORPUS / f"qrels.{split}.trec", _judged) for split in SPLITS},
        "media": (media.FOLDER / media.TABLE, lambda path: _fields(media.read_media(path.parent))),
        "transcripts": (
            transcripts.FOLDER / transcripts.TABLE,
            lambda path: _fields(transcripts.read_transcripts(path.parent)),
        ),
    }
    found: dict[str, Items | None] = {}
    for name, (path, rows) in tables.items():
        try:
            found[name] = Items(same_bytes=True) if pair.same(path) else compare_items(*pair.read(path, rows))
        except UserError as error:
            found[name] = None
            unknown.append(f"{name}: {error}")
    return found


def compare_items(a: Rows, b: Rows) -> Items:
    """Items by id, each the mapping of its fields."""
    common = a.keys() & b.keys()
    changed = {name: found for name in sorted(common) if (found := changes(a[name], b[name]))}
    return Items(False, len(common) - len(changed), sorted(b.keys() - common), sorted(a.keys() - common), changed)


def queries_of(pair: Pair, split: Split) -> dict[str, Query]:
    """What is known of the queries of a split, by id, B's word first; nothing where the corpus is not to be had."""
    try:
        a, b = pair.read(QUERIES, lambda path: {one.query_id: one for one in read_queries(path, split)})
    except UserError:  # `data_difference` says so
        return {}
    return a | b


def _fields(found: Mapping[str, Any]) -> Rows:
    return {name: vars(one) for name, one in found.items()}


def _judged(path: Path) -> Rows:
    judged = read_qrels(path).items()
    return {f"{query} {video}": {"relevance": relevance} for query, of in judged for video, relevance in of.items()}
