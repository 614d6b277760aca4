"""Tracing a number or a query's ranking back to the files it was made of, by digests."""

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

BySystem = dict[str, dict[str, float]]
ROLES: dict[Role, str] = {"positive": "positive", "mined": "mined negative", "drawn": "random negative"}


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
    """A query: what every system scores for it, and what one system ranked.

    Attributes:
        values: by system and measure.
        system: whose ranking is shown; None for a training query, for which nothing is ranked.
        ranked: how many videos the ranking has; results: the first of them.
        unranked: judged relevant, and not among the results shown: video id and rank, None where it is not ranked.
        shown, altered: of a training query, what training showed for it, and what of that otherwise than it is.
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
    state, (query, rankings, judged, values) = score.lineage, of_query(score)
    if not rankings:
        shown = exposures_of(state, query_ids=[query.query_id])
        altered = altered_of(state, query_ids=[query.query_id])
        return QueryTrace(query, {}, None, 0, [], {}, shown, altered, ancestry(state, "train" if shown else FINAL))
    system, ranking = next(iter(rankings.items()))
    ranks = {video_id: rank for rank, video_id in enumerate(ranking, start=1)}
    lineages = video_lineages(state, list(ranking)[:k])
    results = [Ranked(ranks[one], ranking[one], judged.get(one), found) for one, found in lineages.items()]
    unranked = {one: ranks.get(one) for one in sorted(judged) if judged[one] > 0 and one not in lineages}
    above = ancestry(state, FINAL)
    return QueryTrace(query, values, system, len(ranking), results, unranked, None, [], above)


def of_query(score: Score) -> tuple[Query, BySystem, dict[str, int], BySystem]:
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
    if FINAL not in lineage.executions:
        return []
    runs = {Path(path).stem for path in lineage.execution(FINAL).generated if Path(path).parent.name == RUNS}
    return [name for name in SYSTEMS if name in runs]


def judgments_of(lineage: Lineage, query: Query) -> dict[str, int]:
    """Relevance by video id of a query's judged videos."""
    return read_judgments(lineage.need(RESULTS / "corpus" / f"qrels.{query.split}.trec"), query.query_id)
