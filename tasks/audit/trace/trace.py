"""Tracing: from a number, a query's ranking or one video's rank back to the files it was made of, by digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.ancestry import Ancestry, ancestry
from tasks.lineage.items import VideoLineage, altered_of, exposures_of, video_lineages
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.score import QUERIES, Score
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.corpus import Query, read_judgments, read_queries
from tasks.shared.artifacts.exposures import Altered, Exposure
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, SYSTEMS, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

CUTOFF = 10  # of the headline measure


@dataclass(frozen=True)
class ScoreTrace:
    """A number. `system` and `value` are None where nothing is judged, or where a run of another stage was named."""

    measure: str
    system: str | None
    value: float | None
    interval: list[float] | None
    queries: int | None
    videos: int | None
    note: str | None
    ancestry: Ancestry


@dataclass(frozen=True)
class Ranked:
    """A video of a ranking: rank from 1, similarity, relevance (None where it is not judged), and its own lineage."""

    rank: int
    similarity: float
    relevance: int | None
    lineage: VideoLineage


@dataclass(frozen=True)
class QueryTrace:
    """A query: what every system scores for it, and what one system ranked.

    Attributes:
        values: by system and measure.
        system: whose ranking is shown; None for a training query, for which nothing is ranked.
        ranked: how many videos the ranking has; results: the first of them.
        unranked: judged relevant, and not among the results shown: video id and rank, None where it is not ranked.
        shown: what training showed for it, where it is a training query.
        altered: what of it was shown otherwise than it is.
    """

    query: Query
    values: dict[str, dict[str, float]]
    system: str | None
    ranked: int
    results: list[Ranked]
    unranked: dict[str, int | None]
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry


@dataclass(frozen=True)
class Place:
    """A video's place in one system's ranking; rank is None where the ranking does not have it."""

    rank: int | None
    similarity: float | None
    ranked: int


@dataclass(frozen=True)
class Neighbour:
    """A video ranked just above or below."""

    rank: int
    video_id: str
    similarity: float
    relevance: int | None


@dataclass(frozen=True)
class PairTrace:
    """Why a video has its rank for a query.

    Attributes:
        places: by system.
        neighbours: in the final system's ranking, from the first to those around the video.
        gain: what the video adds to the final system's nDCG@10 of the query, and ndcg, all of it; None unjudged.
        shown: what training showed of the video; None where that was not recorded or nothing was trained.
        altered: how training showed it otherwise than it is, or something of it in another one's place.
    """

    query: Query
    lineage: VideoLineage
    relevance: int | None
    system: str | None
    places: dict[str, Place]
    neighbours: list[Neighbour]
    gain: float | None
    ndcg: float | None
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry


def trace_score(score: Score) -> ScoreTrace:
    """A number and its ancestry. Raises UserError where the state has no such number."""
    state = score.lineage
    state.execution(score.stage)
    if score.stage != FINAL:
        return ScoreTrace(score.stage, None, None, None, None, None, None, ancestry(state, score.stage))
    found = read_scores(state.need(scores.FOLDER / scores.METRICS).parent)
    system = score.system or next(iter(found.systems), None)
    if score.system and score.system not in found.systems:
        raise UserError(f"{state.name} has no system {score.system}; it has {', '.join(found.systems) or 'none'}")
    return ScoreTrace(
        measure=score.measure,
        system=system,
        value=found.systems[system][score.measure] if system else None,
        interval=found.intervals[system].get(score.measure) if system else None,
        queries=found.queries,
        videos=found.videos,
        note=found.note,
        ancestry=ancestry(state, FINAL),
    )


def trace_query(score: Score, k: int) -> QueryTrace:
    """A query's first `k` results in the final system's ranking, each with its lineage."""
    state, query = score.lineage, query_of(score)
    ran = systems_of(state)
    if query.split != "test" or not ran:
        shown = exposures_of(state, query_ids=[query.query_id])
        altered = altered_of(state, query_ids=[query.query_id])
        return QueryTrace(query, {}, None, 0, [], {}, shown, altered, ancestry(state, "train" if shown else FINAL))
    system = ran[0]
    ranking = _ranking(state, system, query)
    judged = judgments_of(state, query)
    ranks = {video_id: rank for rank, video_id in enumerate(ranking, start=1)}
    results = [
        Ranked(ranks[video_id], ranking[video_id], judged.get(video_id), one)
        for video_id, one in video_lineages(state, list(ranking)[:k]).items()
    ]
    listed = {one.lineage.video.video_id for one in results}
    return QueryTrace(
        query=query,
        values=_values(state, query),
        system=system,
        ranked=len(ranking),
        results=results,
        unranked={one: ranks.get(one) for one in sorted(judged) if judged[one] > 0 and one not in listed},
        shown=None,
        altered=[],
        ancestry=ancestry(state, FINAL),
    )


def trace_pair(score: Score) -> PairTrace:
    """Why a video has its rank for a query."""
    state, query = score.lineage, query_of(score)
    video_id = str(score.video_id)
    ran = systems_of(state) if query.split == "test" else []
    rankings = {name: _ranking(state, name, query) for name in ran}
    judged = judgments_of(state, query)
    system = next(iter(rankings), None)
    final = rankings[system] if system else {}
    return PairTrace(
        query=query,
        lineage=video_lineages(state, [video_id])[video_id],
        relevance=judged.get(video_id),
        system=system,
        places={name: _place(ranking, video_id) for name, ranking in rankings.items()},
        neighbours=_neighbours(final, video_id, judged),
        gain=gain_at_10(final, judged, video_id) if system else None,
        ndcg=_values(state, query).get(system, {}).get(HEADLINE) if system else None,
        shown=exposures_of(state, video_ids=[video_id]),
        altered=altered_of(state, video_ids=[video_id]),
        ancestry=ancestry(state, FINAL if system else "train"),
    )


def query_of(score: Score) -> Query:
    """The query that a score is of."""
    return read_queries(score.lineage.need(QUERIES), query_ids=[str(score.query_id)])[0]


def systems_of(lineage: Lineage) -> list[str]:
    """The systems that ranked, the final one first; none where the state was not evaluated."""
    if FINAL not in lineage.executions:
        return []
    runs = {Path(path).stem for path in lineage.execution(FINAL).generated if Path(path).parent.name == RUNS}
    return [name for name in SYSTEMS if name in runs]


def judgments_of(lineage: Lineage, query: Query) -> dict[str, int]:
    """Relevance by video id of a query's judged videos."""
    return read_judgments(lineage.need(RESULTS / "corpus" / f"qrels.{query.split}.trec"), query.query_id)


def gain_at_10(ranking: Mapping[str, float], judged: Mapping[str, int], video_id: str) -> float | None:
    """What a video adds to nDCG@10: its relevance / log2(1 + rank) over that of the ideal ranking.

    Gains are linear, as trec_eval has them (Järvelin and Kekäläinen 2002). None where nothing is judged relevant.
    """
    ideal = sorted((relevance for relevance in judged.values() if relevance > 0), reverse=True)[:CUTOFF]
    if not ideal:
        return None
    rank = list(ranking).index(video_id) + 1 if video_id in ranking else None
    if rank is None or rank > CUTOFF:
        return 0.0
    best = sum(relevance / math.log2(1 + place) for place, relevance in enumerate(ideal, start=1))
    return max(judged.get(video_id, 0), 0) / math.log2(1 + rank) / best


def _values(lineage: Lineage, query: Query) -> dict[str, dict[str, float]]:
    found = read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent, [query.query_id])
    return {one.system: one.values for one in found}


def _ranking(lineage: Lineage, system: str, query: Query) -> dict[str, float]:
    folder = lineage.need(scores.FOLDER / RUNS / f"{system}.trec").parent.parent
    return read_ranking(system, query.query_id, folder)


def _place(ranking: Mapping[str, float], video_id: str) -> Place:
    if video_id not in ranking:
        return Place(None, None, len(ranking))
    return Place(list(ranking).index(video_id) + 1, ranking[video_id], len(ranking))


def _neighbours(ranking: Mapping[str, float], video_id: str, judged: Mapping[str, int]) -> list[Neighbour]:
    """The first three, and two on either side of the video."""
    ids = list(ranking)
    at = ids.index(video_id) if video_id in ranking else None
    wanted = {0, 1, 2} | (set(range(at - 2, at + 3)) if at is not None else set())
    return [
        Neighbour(place + 1, ids[place], ranking[ids[place]], judged.get(ids[place]))
        for place in sorted(wanted)
        if 0 <= place < len(ids)
    ]
