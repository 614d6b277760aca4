"""From a video or a query down to the scores: everything in a state that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.trace.trace import systems_of
from tasks.lineage.items import VideoLineage, exposures_of, video_lineages
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import scores, vectors
from tasks.shared.artifacts.corpus import Query, Video, read_qrels
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import FILE, read_negatives
from tasks.shared.artifacts.runs import RUNS
from tasks.shared.artifacts.scores import HEADLINE, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

TOP = 10  # ranks that the headline measure looks at


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
    """Where a video stands for a test query."""

    query_id: str
    video_id: str
    relevance: int  # 0 where it is not judged
    ranks: dict[str, int | None]  # by system; None where it is not ranked
    scores: dict[str, float]  # the query's nDCG@10 by system, of a video's places


@dataclass(frozen=True)
class Mean:
    """A mean that depends on the item: by so many of the scored queries, or through the trained weights."""

    system: str
    measure: str
    value: float
    queries: int
    of: int
    training: bool


@dataclass
class ItemImpact:
    """All that follows from a video or a query. What is not to be had is empty, and the answer's notes say why."""

    item: Video | Query
    lineage: VideoLineage | None = None  # what was made of a video
    judged: dict[str, int] = field(default_factory=dict)  # relevance by query or video
    mined: list[Candidate] = field(default_factory=list)
    exposures: list[Exposure] | None = None  # None where what training showed was not recorded
    checkpoints: list[Checkpoint] = field(default_factory=list)
    vectors: dict[str, str] = field(default_factory=dict)  # sha256 by system
    scores: dict[str, dict[str, float]] = field(default_factory=dict)  # of a query, by system and measure
    places: list[Place] = field(default_factory=list)  # where a video is relevant or in the first ten; or judged videos
    means: list[Mean] = field(default_factory=list)


def follow(
    lineage: Lineage, item: Video | Query, trainings: Iterable[tuple[Checkpoint, list[Exposure]]], notes: list[str]
) -> ItemImpact:
    """All that follows from an item of the corpus, in its own order; why something is not to be had goes to `notes`."""
    found, video = ItemImpact(item), isinstance(item, Video)
    one = item.video_id if isinstance(item, Video) else item.query_id

    def its(row: Exposure | Candidate) -> bool:
        return one == (row.video_id if video else row.query_id)

    with _noted(notes):
        found.lineage = video_lineages(lineage, [one])[one] if video else None
    with _noted(notes):
        qrels = read_qrels(lineage.need(RESULTS / "corpus" / f"qrels.{item.split}.trec"))
        of_video = {query: of[one] for query, of in qrels.items() if one in of}
        found.judged = of_video if video else qrels.get(one, {})
    with _noted(notes):
        found.exposures = exposures_of(lineage, **{"video_ids" if video else "query_ids": [one]})
    for training, rows in trainings:
        found.checkpoints.append(training if training.why else replace(training, exposures=sum(map(its, rows))))
    if item.split == "train":
        with _noted(notes):
            found.mined = [each for each in _mined(lineage) if its(each)]
    else:
        with _noted(notes):
            found.vectors = _vectors(lineage, "videos" if video else "queries", one)
        with _noted(notes):
            found.scores = {} if video else _scores(lineage, [one]).get(one, {})
            found.places = _places(lineage, one, found.judged, video=video)
    with _noted(notes):
        found.means = _means(lineage, found)
    return found


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        notes.append(str(error))


def _mined(lineage: Lineage) -> Iterator[Candidate]:
    for one in read_negatives(lineage.need(FILE)):
        for kept in one.negatives:
            yield Candidate(one.query_id, kept.video_id, kept.rank, kept.score, None)
        for cut in one.dropped:
            yield Candidate(one.query_id, cut.video_id, cut.rank, cut.score, cut.reason)


def _vectors(lineage: Lineage, kind: vectors.Kind, item_id: str) -> dict[str, str]:
    found = {}
    for system in vectors.SYSTEMS:
        path = vectors.FOLDER / f"{system}.{kind}.parquet"
        if lineage.execution("encode").digest_of(path):
            rows = vectors.read_vectors(system, kind, lineage.need(path).parent, ids=[item_id])
            for one in rows.values:
                found[system] = hashlib.sha256(one.astype("<f4").tobytes()).hexdigest()
    return found


def _scores(lineage: Lineage, query_ids: Collection[str]) -> dict[str, dict[str, dict[str, float]]]:
    """What systems score for queries, by query, system and measure."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for one in read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent, query_ids):
        found.setdefault(one.query_id, {})[one.system] = one.values
    return found


def _places(lineage: Lineage, item_id: str, judged: Mapping[str, int], *, video: bool) -> list[Place]:
    ranks = {
        system: ranks_of(lineage.need(scores.FOLDER / RUNS / f"{system}.trec"), item_id, video=video)
        for system in systems_of(lineage)
    }
    others = list(judged)
    if video:
        relevant = {query for query, relevance in judged.items() if relevance > 0}
        others = sorted(relevant | {query for of in ranks.values() for query, rank in of.items() if rank <= TOP})
    values = _scores(lineage, others) if video else {}
    return [
        Place(
            *((other, item_id) if video else (item_id, other)),
            relevance=judged.get(other, 0),
            ranks={system: of.get(other) for system, of in ranks.items()},
            scores={system: of[HEADLINE] for system, of in values.get(other, {}).items()},
        )
        for other in others
    ]


def ranks_of(path: Path, item_id: str, *, video: bool) -> dict[str, int]:
    """Ranks in a TREC run (`query Q0 video rank score system`): of a video by query, or of videos for a query."""
    own, other = (2, 0) if video else (0, 2)
    with path.open(encoding="utf-8") as lines:  # read whole, which is 2 s for a million lines, but never kept
        rows = (line.split() for line in lines if item_id in line)
        return {fields[other]: int(fields[3]) for fields in rows if len(fields) == 6 and fields[own] == item_id}


def _means(lineage: Lineage, found: ItemImpact) -> list[Mean]:
    """Means that places of a video, a query's scores, or training count for."""
    means, numbers = [], read_scores(lineage.need(scores.FOLDER / scores.METRICS).parent)
    for system, values in numbers.systems.items():
        counted = [one for one in found.places if one.scores]
        count = sum(one.relevance > 0 or (one.ranks.get(system) or TOP + 1) <= TOP for one in counted)
        count += system in found.scores
        training = bool(found.exposures) and system == "tuned"
        if count or training:
            means.append(Mean(system, HEADLINE, values[HEADLINE], count, numbers.queries, training))
    return means
