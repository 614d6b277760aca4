"""From a video or a query down to the scores: everything in a state that follows from it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.trace.trace import systems_of
from tasks.lineage.items import VideoLineage, exposures_of, video_lineages
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import scores, vectors
from tasks.shared.artifacts.corpus import Query, Video, read_qrels
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import FILE, Dropped, Negative, read_negatives
from tasks.shared.artifacts.runs import RUNS
from tasks.shared.artifacts.scores import HEADLINE, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

TOP = 10  # ranks that the headline measure looks at


@dataclass
class ItemImpact:
    """All that follows from a video or a query. What is not to be had is empty, and the answer's notes say why."""

    item: Video | Query
    lineage: VideoLineage | None = None  # what was made of a video
    judged: dict[str, int] = field(default_factory=dict)  # relevance by query or video
    mined: list[dict[str, Any]] = field(default_factory=list)  # negatives, and what was `dropped`: why
    exposures: list[Exposure] | None = None  # None where what training showed was not recorded
    checkpoints: list[Checkpoint] = field(default_factory=list)
    vectors: dict[str, str] = field(default_factory=dict)  # sha256 by system
    places: list[dict[str, Any]] = field(default_factory=list)  # queries a video is relevant or high for; judged videos
    scores: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)  # by query of these, system, measure
    means: list[dict[str, Any]] = field(default_factory=list)  # by how many of their queries, or by training


def follow(
    lineage: Lineage, item: Video | Query, trainings: Iterable[tuple[Checkpoint, list[Exposure]]], notes: list[str]
) -> ItemImpact:
    """All that follows from an item of the corpus, in its own order; why something is not to be had goes to `notes`."""
    found, video = ItemImpact(item), isinstance(item, Video)
    key = "video_id" if video else "query_id"
    one: str = getattr(item, key)

    with _noted(notes):
        found.lineage = video_lineages(lineage, [one])[one] if video else None
    with _noted(notes):
        qrels = read_qrels(lineage.need(RESULTS / "corpus" / f"qrels.{item.split}.trec"))
        of_video = {query: of[one] for query, of in qrels.items() if one in of}
        found.judged = of_video if video else qrels.get(one, {})
    with _noted(notes):
        found.exposures = exposures_of(lineage, **{f"{key}s": [one]})
    for training, shown in trainings:
        count = sum(getattr(row, key) == one for row in shown)
        found.checkpoints.append(training if training.why else replace(training, exposures=count))
    if item.split == "train":
        with _noted(notes):
            for row in read_negatives(lineage.need(FILE)):
                every: list[Negative | Dropped] = [*row.negatives, *row.dropped]
                for each in every:
                    met = {"query_id": row.query_id, "video_id": each.video_id, "rank": each.rank, "score": each.score}
                    if met[key] == one:
                        found.mined.append(met | {"dropped": getattr(each, "reason", None)})
    else:
        with _noted(notes):
            found.vectors = _vectors(lineage, "videos" if video else "queries", one)
        with _noted(notes):
            found.places = _places(lineage, one, found.judged, video=video)
            queries = {each["query_id"] for each in found.places} if video else {one}
            for scored in read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent, queries):
                found.scores.setdefault(scored.query_id, {})[scored.system] = scored.values
    with _noted(notes):
        found.means = list(_means(lineage, found))
    return found


@contextmanager
def _noted(notes: list[str]) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        notes.append(str(error))


def _vectors(lineage: Lineage, kind: vectors.Kind, item_id: str) -> dict[str, str]:
    found = {}
    for system in vectors.SYSTEMS:
        path = vectors.FOLDER / f"{system}.{kind}.parquet"
        if lineage.execution("encode").digest_of(path):
            rows = vectors.read_vectors(system, kind, lineage.need(path).parent, ids=[item_id])
            for one in rows.values:
                found[system] = hashlib.sha256(one.astype("<f4").tobytes()).hexdigest()
    return found


def _places(lineage: Lineage, item_id: str, judged: Mapping[str, int], *, video: bool) -> list[dict[str, Any]]:
    ranks = {
        system: ranks_of(lineage.need(scores.FOLDER / RUNS / f"{system}.trec"), item_id, video=video)
        for system in systems_of(lineage)
    }
    others = list(judged)
    if video:
        top = {query for of in ranks.values() for query, rank in of.items() if rank <= TOP}
        others = sorted(top | {query for query, relevance in judged.items() if relevance > 0})
    return [
        {"query_id": other if video else item_id, "video_id": item_id if video else other}
        | {"relevance": judged.get(other, 0), "ranks": {system: of.get(other) for system, of in ranks.items()}}
        for other in others
    ]


def ranks_of(path: Path, item_id: str, *, video: bool) -> dict[str, int]:
    """Ranks in a TREC run (`query Q0 video rank score system`): of a video by query, or of videos for a query."""
    own, other = (2, 0) if video else (0, 2)
    with path.open(encoding="utf-8") as lines:  # read whole, which is 2 s for a million lines, but never kept
        rows = (line.split() for line in lines if item_id in line)
        return {fields[other]: int(fields[3]) for fields in rows if len(fields) == 6 and fields[own] == item_id}


def _means(lineage: Lineage, found: ItemImpact) -> Iterator[dict[str, Any]]:
    """Means that places of a video, a query's scores, or training count for."""
    numbers = read_scores(lineage.need(scores.FOLDER / scores.METRICS).parent)
    for system, values in numbers.systems.items():
        scored = {query for query, of in found.scores.items() if system in of}
        if isinstance(found.item, Video):
            first = (one for one in found.places if one["relevance"] or (one["ranks"].get(system) or TOP + 1) <= TOP)
            scored &= {one["query_id"] for one in first}
        training = bool(found.exposures) and system == "tuned"
        if scored or training:
            mean = {"system": system, "measure": HEADLINE, "value": values[HEADLINE]}
            yield mean | {"queries": len(scored), "of": numbers.queries, "training": training}
