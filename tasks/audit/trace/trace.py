"""Tracing: from a number or a query's ranking back to the files it was made of, by digests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.audit.ancestry import Ancestry, ancestry
from tasks.lineage.items import VideoLineage, altered_of, exposures_of, video_lineages
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.score import QUERIES, Score
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.corpus import Query, read_judgments, read_queries
from tasks.shared.artifacts.exposures import Altered, Exposure, Role
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import SYSTEMS, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

ROLES: dict[Role, str] = {"positive": "positive", "mined": "mined negative", "drawn": "random negative"}


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
    ranking = ranking_of(state, system, query)
    judged = judgments_of(state, query)
    ranks = {video_id: rank for rank, video_id in enumerate(ranking, start=1)}
    results = [
        Ranked(ranks[video_id], ranking[video_id], judged.get(video_id), one)
        for video_id, one in video_lineages(state, list(ranking)[:k]).items()
    ]
    listed = {one.lineage.video.video_id for one in results}
    return QueryTrace(
        query=query,
        values=values_of(state, query),
        system=system,
        ranked=len(ranking),
        results=results,
        unranked={one: ranks.get(one) for one in sorted(judged) if judged[one] > 0 and one not in listed},
        shown=None,
        altered=[],
        ancestry=ancestry(state, FINAL),
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


def values_of(lineage: Lineage, query: Query) -> dict[str, dict[str, float]]:
    """What every system scores for a query, by system and measure."""
    found = read_per_query(lineage.need(scores.FOLDER / scores.PER_QUERY).parent, [query.query_id])
    return {one.system: one.values for one in found}


def ranking_of(lineage: Lineage, system: str, query: Query) -> dict[str, float]:
    """What a system ranked for a query: similarity by video id, the first first."""
    folder = lineage.need(scores.FOLDER / RUNS / f"{system}.trec").parent.parent
    return read_ranking(system, query.query_id, folder)
