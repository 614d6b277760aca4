"""Tracing: from a score back to the files it was made of, by digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.audit.chain import Stage, chain_of, unlike_lock
from tasks.audit.items import altered_of, exposures_of, lineage_of
from tasks.audit.links import broken, links
from tasks.audit.score import QUERIES, Score
from tasks.audit.snapshot import FINAL, Snapshot
from tasks.audit.trace.answers import Ancestry, Neighbour, PairTrace, Place, QueryTrace, Ranked, ScoreTrace
from tasks.shared.artifacts import exposures, scores
from tasks.shared.artifacts.corpus import Query, read_judgments, read_queries
from tasks.shared.artifacts.scores import HEADLINE, RUNS, SYSTEMS, read_per_query, read_ranking, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

RETRIEVER = RESULTS / "mine" / "retriever.json"
CUTOFF = 10  # of the headline measure


def trace_score(score: Score) -> ScoreTrace:
    """A number and its ancestry. Raises UserError where the state has no such number."""
    snapshot = score.snapshot
    if score.stage != FINAL:
        snapshot.manifest(score.stage)
        return ScoreTrace(score.stage, None, None, None, None, None, None, ancestry(snapshot, score.stage))
    snapshot.manifest(FINAL)
    found = read_scores(snapshot.need(scores.FOLDER / scores.METRICS).parent)
    system = score.system or next(iter(found.systems), None)
    if score.system and score.system not in found.systems:
        raise UserError(f"{snapshot.name} has no system {score.system}; it has {', '.join(found.systems) or 'none'}")
    return ScoreTrace(
        measure=score.measure,
        system=system,
        value=found.systems[system][score.measure] if system else None,
        interval=found.intervals[system].get(score.measure) if system else None,
        queries=found.queries,
        videos=found.videos,
        note=found.note,
        ancestry=ancestry(snapshot, FINAL),
    )


def trace_query(score: Score, k: int) -> QueryTrace:
    """A query's first `k` results in the final system's ranking, each with its lineage."""
    snapshot, query = score.snapshot, query_of(score)
    ran = systems_of(snapshot)
    if query.split != "test" or not ran:
        shown = None
        if snapshot.has(table := exposures.FOLDER / exposures.TABLE):
            shown = exposures.read_exposures(snapshot.need(table).parent, query_ids=[query.query_id])
        altered = altered_of(snapshot, query_ids=[query.query_id])
        return QueryTrace(query, {}, None, 0, [], {}, shown, altered, ancestry(snapshot, "train" if shown else FINAL))
    system = ran[0]
    ranking = read_ranking(system, query.query_id, _folder_of_run(snapshot, system))
    judged = judgments_of(snapshot, query)
    lineages = lineage_of(snapshot, list(ranking)[:k])
    ranks = {video_id: rank for rank, video_id in enumerate(ranking, start=1)}
    return QueryTrace(
        query=query,
        values=_values(snapshot, query),
        system=system,
        ranked=len(ranking),
        results=[
            Ranked(ranks[video_id], ranking[video_id], judged.get(video_id), lineage)
            for video_id, lineage in lineages.items()
        ],
        unranked={one: ranks.get(one) for one in sorted(judged) if judged[one] > 0 and one not in lineages},
        shown=None,
        altered=[],
        ancestry=ancestry(snapshot, FINAL),
    )


def trace_pair(score: Score) -> PairTrace:
    """Why a video has its rank for a query."""
    snapshot, query = score.snapshot, query_of(score)
    video_id = str(score.video_id)
    lineage = lineage_of(snapshot, [video_id])[video_id]
    ran = systems_of(snapshot) if query.split == "test" else []
    rankings = {name: read_ranking(name, query.query_id, _folder_of_run(snapshot, name)) for name in ran}
    judged = judgments_of(snapshot, query)
    system = next(iter(rankings), None)
    final = rankings[system] if system else {}
    return PairTrace(
        query=query,
        lineage=lineage,
        relevance=judged.get(video_id),
        system=system,
        places={name: _place(ranking, video_id) for name, ranking in rankings.items()},
        neighbours=_neighbours(final, video_id, judged),
        gain=gain_at_10(final, judged, video_id) if system else None,
        ndcg=_values(snapshot, query).get(system, {}).get(HEADLINE) if system else None,
        shown=exposures_of(snapshot, [video_id]),
        altered=altered_of(snapshot, video_ids=[video_id]),
        ancestry=ancestry(snapshot, FINAL if system else "train"),
    )


def query_of(score: Score) -> Query:
    """The query that a score is of."""
    return read_queries(score.snapshot.need(QUERIES), query_ids=[str(score.query_id)])[0]


def systems_of(snapshot: Snapshot) -> list[str]:
    """The systems that ranked, the final one first; none where the state was not evaluated."""
    if FINAL not in snapshot.manifests:
        return []
    runs = {Path(path).stem for path in snapshot.manifest(FINAL).outputs if Path(path).parent.name == RUNS}
    return [name for name in SYSTEMS if name in runs]


def judgments_of(snapshot: Snapshot, query: Query) -> dict[str, int]:
    """Relevance by video id of a query's judged videos."""
    return read_judgments(snapshot.need(RESULTS / "corpus" / f"qrels.{query.split}.trec"), query.query_id)


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


def ancestry(snapshot: Snapshot, last: str) -> Ancestry:
    """A stage's result and all that it follows from, with what is doubtful about it."""
    stages = chain_of(snapshot, last)
    names = {stage.name for stage in stages}
    lost = [
        f"{link.stage} read another {link.path} (sha256 {link.sha256}) than {link.maker} made that is here"
        for link in broken(links(snapshot))
        if link.stage in names
    ]
    notes = [snapshot.missing[stage] for stage in _above(stages) if stage in snapshot.missing]
    if (unlike := unlike_lock(snapshot, last)) is not None:
        notes.append(unlike)
    if snapshot.executions.problem:
        notes.append(snapshot.executions.problem)
    elif untold := [stage.name for stage in stages if not stage.runs]:
        notes.append(f"MLflow has no run that published this result of {', '.join(untold)}")
    retriever = _retriever(snapshot, notes) if "mine" in names else None
    return Ancestry(snapshot.name, snapshot.commit, snapshot.dirty, stages, lost, notes, retriever)


def _retriever(snapshot: Snapshot, notes: list[str]) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] | None = read_json(snapshot.need(RETRIEVER))
    except UserError as error:
        notes.append(f"what mined the negatives cannot be told: {error}")
        return None
    return found


def _above(stages: list[Stage]) -> list[str]:
    return [link.maker for stage in stages for link in stage.inputs if link.holds == "unknown" and link.maker]


def _values(snapshot: Snapshot, query: Query) -> dict[str, dict[str, float]]:
    found = read_per_query(snapshot.need(scores.FOLDER / scores.PER_QUERY).parent, [query.query_id])
    return {one.system: one.values for one in found}


def _folder_of_run(snapshot: Snapshot, system: str) -> Path:
    return snapshot.need(scores.FOLDER / RUNS / f"{system}.trec").parent.parent


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
