"""Tracing a number, a query's ranking or one video's rank in it back to the files it was made of, by digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.audit.ancestry import Ancestry, ancestry
from tasks.lineage.items import VideoLineage, altered_of, exposures_of, video_lineages
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.score import QUERIES, Score
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.corpus import Query, read_judgments, read_queries
from tasks.shared.artifacts.exposures import Altered, Exposure, Role
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, SYSTEMS, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

BySystem = dict[str, dict[str, float]]
ROLES: dict[Role, str] = {"positive": "positive", "mined": "mined negative", "drawn": "random negative"}
CUTOFF = 10  # of the headline measure


@dataclass(frozen=True)
class ScoreTrace:
    """A number; without system and value where nothing is judged, or where a run of another stage was named."""

    measure: str
    ancestry: Ancestry
    system: str | None = None
    value: float | None = None
    interval: list[float] | None = None
    queries: int | None = None
    videos: int | None = None
    note: str | None = None


@dataclass(frozen=True)
class Ranked:
    """A video of a ranking: rank from 1, similarity, relevance (None where it is not judged), and its own lineage."""

    rank: int
    similarity: float
    relevance: int | None
    lineage: VideoLineage


@dataclass(frozen=True)
class QueryTrace:
    """A query: what every system scores for it, and what one system ranked; of a training query what was shown."""

    query: Query
    values: BySystem  # by system and measure
    system: str | None  # whose ranking is shown; None for a training query, for which nothing is ranked
    ranked: int  # videos in the ranking
    results: list[Ranked]  # the first of them
    unranked: dict[str, int | None]  # judged relevant and not among the results: rank by video id, None if not ranked
    shown: list[Exposure] | None  # what training showed for it; None where that was not recorded
    altered: list[Altered]  # what of that was shown otherwise than it is
    ancestry: Ancestry


@dataclass(frozen=True)
class Place:
    """A video's place in one system's ranking; rank is None where the ranking does not have it."""

    rank: int | None
    similarity: float | None
    ranked: int


@dataclass(frozen=True)
class PairTrace:
    """Why a video has its rank for a query."""

    query: Query
    lineage: VideoLineage
    relevance: int | None
    system: str | None
    places: dict[str, Place]  # by system
    neighbours: list[dict[str, Any]]  # the final system's first three videos, and two on either side of this one
    gain: float | None  # what the video adds to the final system's nDCG@10 of the query; None where nothing is judged
    ndcg: float | None  # all of it
    shown: list[Exposure] | None  # what training showed of the video; None where that was not recorded
    altered: list[Altered]  # shown otherwise than it is, or something of it in another one's place
    ancestry: Ancestry


def trace_score(score: Score) -> ScoreTrace:
    """A number and its ancestry. Raises UserError where the state has no such number."""
    state = score.lineage
    state.execution(score.stage)
    above = ancestry(state, score.stage)
    if score.stage != FINAL:
        return ScoreTrace(score.stage, above)
    found = read_scores(state.need(scores.FOLDER / scores.METRICS).parent)
    if score.system and score.system not in found.systems:
        raise UserError(f"{state.name} has no system {score.system}; it has {', '.join(found.systems) or 'none'}")
    system = score.system or next(iter(found.systems), None)
    value = found.systems[system][score.measure] if system else None
    interval = found.intervals[system].get(score.measure) if system else None
    return ScoreTrace(score.measure, above, system, value, interval, found.queries, found.videos, found.note)


def trace_query(score: Score, k: int) -> QueryTrace:
    """A query's first `k` results in the final system's ranking, each with its lineage."""
    state, (query, rankings, judged, values) = score.lineage, _of_query(score)
    if not rankings:
        shown = exposures_of(state, query_ids=[query.query_id])
        altered = altered_of(state, query_ids=[query.query_id])
        return QueryTrace(query, {}, None, 0, [], {}, shown, altered, ancestry(state, "train" if shown else FINAL))
    system, ranking = next(iter(rankings.items()))
    ranks = {video_id: rank for rank, video_id in enumerate(ranking, start=1)}
    lineages = video_lineages(state, list(ranking)[:k])
    results = [Ranked(ranks[one], ranking[one], judged.get(one), found) for one, found in lineages.items()]
    unranked = {one: ranks.get(one) for one in sorted(judged) if judged[one] > 0 and one not in lineages}
    return QueryTrace(query, values, system, len(ranking), results, unranked, None, [], ancestry(state, FINAL))


def trace_pair(score: Score) -> PairTrace:
    """Why a video has its rank for a query."""
    state, video_id, (query, rankings, judged, values) = score.lineage, str(score.video_id), _of_query(score)
    system, final = next(iter(rankings.items()), (None, {}))
    ids = list(final)
    near = {0, 1, 2} | {ids.index(video_id) + step for step in range(-2, 3) if video_id in final}
    return PairTrace(
        query=query,
        lineage=video_lineages(state, [video_id])[video_id],
        relevance=judged.get(video_id),
        system=system,
        places={name: Place(_rank(one, video_id), one.get(video_id), len(one)) for name, one in rankings.items()},
        neighbours=[
            {"rank": place + 1, "video_id": one, "similarity": final[one], "relevance": judged.get(one)}
            for place, one in enumerate(ids)
            if place in near
        ],
        gain=gain_at_10(final, judged, video_id) if system else None,
        ndcg=values.get(system, {}).get(HEADLINE) if system else None,
        shown=exposures_of(state, video_ids=[video_id]),
        altered=altered_of(state, video_ids=[video_id]),
        ancestry=ancestry(state, FINAL if system else "train"),
    )


def _rank(ranking: Mapping[str, float], video_id: str) -> int | None:
    return list(ranking).index(video_id) + 1 if video_id in ranking else None


def gain_at_10(ranking: Mapping[str, float], judged: Mapping[str, int], video_id: str) -> float | None:
    """What a video adds to nDCG@10: its relevance / log2(1 + rank) over that of the ideal ranking.

    Gains are linear, as trec_eval has them (Järvelin and Kekäläinen 2002). None where nothing is judged relevant.
    """
    ideal = sorted((relevance for relevance in judged.values() if relevance > 0), reverse=True)[:CUTOFF]
    best = sum(relevance / math.log2(1 + place) for place, relevance in enumerate(ideal, start=1))
    rank = _rank(ranking, video_id) or math.inf
    gain = max(judged.get(video_id, 0), 0) / math.log2(1 + rank) if rank <= CUTOFF else 0.0
    return gain / best if ideal else None


def _of_query(score: Score) -> tuple[Query, BySystem, dict[str, int], BySystem]:
    """A score's query, similarities by system (the final one first) and video id (the best first), relevance by video
    id, values by system and measure.

    A training query has no rankings and no values, nor has any query of a state that was not evaluated.
    """
    state = score.lineage
    query = read_queries(state.need(QUERIES), query_ids=[str(score.query_id)])[0]
    systems = systems_of(state) if query.split == "test" else []
    runs = {name: state.need(scores.FOLDER / RUNS / f"{name}.trec").parents[1] for name in systems}
    rankings = {name: read_ranking(name, query.query_id, folder) for name, folder in runs.items()}
    folder = state.need(scores.FOLDER / scores.PER_QUERY).parent if systems else None
    values = {one.system: one.values for one in read_per_query(folder, [query.query_id])} if folder else {}
    return query, rankings, judgments_of(state, query), values


def systems_of(lineage: Lineage) -> list[str]:
    """The systems that ranked, the final one first; none where the state was not evaluated."""
    made = lineage.executions[FINAL].generated if FINAL in lineage.executions else {}
    return [name for name in SYSTEMS if str(scores.FOLDER / RUNS / f"{name}.trec") in made]


def judgments_of(lineage: Lineage, query: Query) -> dict[str, int]:
    """Relevance by video id of a query's judged videos."""
    return read_judgments(lineage.need(RESULTS / "corpus" / f"qrels.{query.split}.trec"), query.query_id)
