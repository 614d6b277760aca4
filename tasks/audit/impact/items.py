"""From a video or a query down to the scores: everything in a state that follows from it."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa

from tasks.audit.impact.checkpoints import Checkpoint, Checkpoints
from tasks.audit.trace.trace import systems_of
from tasks.lineage.items import VideoLineage, exposures_of, video_lineages
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import scores, vectors
from tasks.shared.artifacts.corpus import Query, Video, read_qrels
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import FILE, read_negatives
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.parquet import read_parquet

TOP = 10  # ranks that the headline measure looks at
VECTOR = pa.schema([("id", pa.string()), ("vector", pa.list_(pa.float32()))])
T = TypeVar("T")


@dataclass(frozen=True)
class Candidate:
    """A video that mining met for a training query: kept as a negative, or dropped for a reason."""

    query_id: str
    video_id: str
    rank: int
    score: float
    dropped: str | None


@dataclass(frozen=True)
class Place:
    """A video's ranks for a test query by system, None where it is not ranked; relevance is 0 where it is not judged.

    `scores` has nDCG@10 of the query by system; it is empty where the query is not scored.
    """

    query_id: str
    video_id: str
    relevance: int
    ranks: dict[str, int | None]
    scores: dict[str, float]


@dataclass(frozen=True)
class Mean:
    """A mean nDCG@10 that depends on the item: by so many of the scored queries, or through the trained weights."""

    system: str
    measure: str
    value: float
    queries: int
    of: int
    training: bool


@dataclass(frozen=True)
class ItemImpact:
    """All that follows from a video or a query. What is not to be had is empty, and the answer's notes say why.

    Attributes:
        lineage: of a video, what was made of it.
        judged: relevance by query or video.
        mined: where mining for a training query met a training video.
        exposures: None where what training showed was not recorded.
        vectors: sha256 by system.
        scores: of a query, by system and measure.
        places: of a test video, the queries for which it is relevant or in the first ten; of a test query, its judged
            videos.
    """

    item: Video | Query
    lineage: VideoLineage | None
    judged: dict[str, int]
    mined: list[Candidate]
    exposures: list[Exposure] | None
    checkpoints: list[Checkpoint]
    vectors: dict[str, str]
    scores: dict[str, dict[str, float]]
    places: list[Place]
    means: list[Mean]


@dataclass
class Follower:
    """Follows items of one state. What is not to be had is noted, and the rest is told."""

    lineage: Lineage
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.checkpoints = Checkpoints(self.lineage)

    def follow(self, item: Video | Query) -> ItemImpact:
        """All that follows from an item of the corpus."""
        lineage, test = self.lineage, item.split == "test"
        video = isinstance(item, Video)
        one = item.video_id if isinstance(item, Video) else item.query_id

        def its(other: Exposure | Candidate) -> bool:
            return one == (other.video_id if video else other.query_id)

        def exposures_here() -> list[Exposure] | None:
            return exposures_of(lineage, video_ids=[one] if video else None, query_ids=None if video else [one])

        judgments = self._told(self._judgments, [], item.split)
        judged = {asked if video else seen: value for asked, seen, value in judgments if one in (asked, seen)}
        exposures = self._told(exposures_here, None)
        values: dict[str, dict[str, float]] = {}
        places: list[Place] = []
        if test and video:
            places = self._told(self._places, [], one, judged)
        elif test:
            values = self._told(self._scores, {}, [one]).get(one, {})
            places = self._told(self._ranks, [], one, judged)
        return ItemImpact(
            item=item,
            lineage=self._told(lambda: video_lineages(lineage, [one])[one], None) if video else None,
            judged=judged,
            mined=[] if test else [each for each in self._told(self._candidates, []) if its(each)],
            exposures=exposures,
            checkpoints=self._told(self.checkpoints.having, [], its),
            vectors=self._told(self._vectors, {}, "videos" if video else "queries", one) if test else {},
            scores=values,
            places=places,
            means=self._told(self._means, [], places if video else [], values, bool(exposures)),
        )

    def _told(self, read: Callable[..., T], otherwise: Any, *arguments: object) -> T:
        try:
            return read(*arguments)
        except UserError as error:
            self.notes.append(str(error))
            return otherwise

    def _judgments(self, split: str) -> list[tuple[str, str, int]]:
        judged = read_qrels(self.lineage.need(RESULTS / "corpus" / f"qrels.{split}.trec"))
        return [(query, video, value) for query, of in judged.items() for video, value in of.items()]

    def _candidates(self) -> list[Candidate]:
        return [
            candidate
            for one in read_negatives(self.lineage.need(FILE))
            for candidate in (
                *(Candidate(one.query_id, kept.video_id, kept.rank, kept.score, None) for kept in one.negatives),
                *(Candidate(one.query_id, cut.video_id, cut.rank, cut.score, cut.reason) for cut in one.dropped),
            )
        ]

    def _scores(self, query_ids: Collection[str]) -> dict[str, dict[str, dict[str, float]]]:
        found: dict[str, dict[str, dict[str, float]]] = {}
        for one in read_per_query(self.lineage.need(scores.FOLDER / scores.PER_QUERY).parent, query_ids):
            found.setdefault(one.query_id, {})[one.system] = one.values
        return found

    def _runs(self) -> dict[str, Path]:
        paths = {system: scores.FOLDER / RUNS / f"{system}.trec" for system in systems_of(self.lineage)}
        return {system: self.lineage.need(path) for system, path in paths.items()}

    def _ranks(self, query: str, judged: dict[str, int]) -> list[Place]:
        """Where a query's judged videos stand."""
        ranked = {system: list(read_ranking(system, query, path.parents[1])) for system, path in self._runs().items()}
        return [
            Place(query, video, relevance, {system: of.index(video) + 1 if video in of else None
                                            for system, of in ranked.items()}, {})
            for video, relevance in judged.items()
        ]  # fmt: skip

    def _places(self, video: str, judged: dict[str, int]) -> list[Place]:
        """Where a video stands."""
        ranks = {system: ranks_of(path, video) for system, path in self._runs().items()}
        asked = {query for query, relevance in judged.items() if relevance > 0}
        asked |= {query for of in ranks.values() for query, rank in of.items() if rank <= TOP}
        values = self._scores(asked)
        found = []
        for query in sorted(asked):
            scored = {system: of[HEADLINE] for system, of in values.get(query, {}).items()}
            found.append(
                Place(query, video, judged.get(query, 0), {name: of.get(query) for name, of in ranks.items()}, scored)
            )
        return found

    def _means(self, places: Collection[Place], scored: Collection[str], shown: bool) -> list[Mean]:
        """Means that places of a video, a query's scores with some systems, or training count for."""
        found, numbers = [], read_scores(self.lineage.need(scores.FOLDER / scores.METRICS).parent)
        for system, values in numbers.systems.items():
            counted = [one for one in places if one.scores]
            count = sum(one.relevance > 0 or (one.ranks.get(system) or TOP + 1) <= TOP for one in counted)
            count += system in scored
            training = shown and system == "tuned"
            if count or training:
                found.append(Mean(system, HEADLINE, values[HEADLINE], count, numbers.queries, training))
        return found

    def _vectors(self, kind: str, item_id: str) -> dict[str, str]:
        there = self.lineage.execution("encode").generated
        paths = {system: vectors.FOLDER / f"{system}.{kind}.parquet" for system in vectors.SYSTEMS}
        known = {system: path for system, path in paths.items() if path.as_posix() in there}
        found = {system: vector_digest(self.lineage.need(path), item_id) for system, path in known.items()}
        return {system: digest for system, digest in found.items() if digest}


def ranks_of(path: Path, video_id: str) -> dict[str, int]:
    """The rank of a video by query id, in a TREC run (`query Q0 video rank score system`) that is not read whole."""
    wanted = f" {video_id} ".encode()
    found: dict[str, int] = {}
    if not path.stat().st_size:
        return found
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(wanted)
        while place >= 0:
            start, end = content.rfind(b"\n", 0, place) + 1, content.find(b"\n", place)
            fields = content[start : len(content) if end < 0 else end].decode().split(" ")
            if len(fields) == 6 and fields[2] == video_id:
                found[fields[0]] = int(fields[3])
            place = content.find(wanted, place + 1)
    return found


def vector_digest(path: Path, item_id: str) -> str | None:
    """sha256 of an item's float32 little-endian vector; None where it has none."""
    import numpy as np

    rows = read_parquet(path, VECTOR, {"id": [item_id]}).column("vector").to_pylist()
    return hashlib.sha256(np.asarray(rows[0], dtype="<f4").tobytes()).hexdigest() if rows else None
