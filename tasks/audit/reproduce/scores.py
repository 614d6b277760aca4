"""The score that was made against the recorded one: every system, every measure, every query."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.audit.reproduce.recorded import recorded_file
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.score import Score
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, QueryScores, Scores, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

MOST = 5  # queries that are named


@dataclass(frozen=True)
class Moved:
    """A query that scores otherwise; None where it is not scored."""

    query_id: str
    recorded: float | None
    made: float | None


@dataclass(frozen=True)
class SystemScore:
    """A system's numbers by measure: recorded, and made here; and nDCG@10 query by query.

    Attributes:
        largest, mean: absolute differences of nDCG@10 over the queries.
        moved: how many queries score otherwise.
        most: those that moved most.
    """

    system: str
    measures: dict[str, tuple[float | None, float | None]]
    queries: int
    moved: int
    largest: float
    mean: float
    most: list[Moved]


@dataclass(frozen=True)
class Asked:
    """The number that was asked for: a measure, a query's nDCG@10, or a video's rank; None where there is none."""

    what: str
    recorded: float | None
    made: float | None


@dataclass(frozen=True)
class ScoreResult:
    """Whether all numbers are the same; `untold` says why where they cannot be compared."""

    identical: bool | None
    systems: list[SystemScore]
    asked: Asked | None = None
    untold: str | None = None


def compare_scores(score: Score, root: Path) -> ScoreResult:
    """Compare the evaluate stage that was run below `root` with its record."""
    lineage = score.lineage
    try:
        before = _recorded(lineage)
        made = root / RESULTS / FINAL
        after = read_scores(made), read_per_query(made)
        asked = _asked(score, before, after, made) if before[0].systems else None
    except UserError as error:
        return ScoreResult(None, [], untold=str(error))
    systems = [_system(name, before, after) for name in {**before[0].systems, **after[0].systems}]
    values = [{(one.query_id, one.system): one.values for one in scores} for _, scores in (before, after)]
    return ScoreResult(before[0].systems == after[0].systems and values[0] == values[1], systems, asked)


def _recorded(lineage: Lineage) -> tuple[Scores, list[QueryScores]]:
    metrics, _ = (recorded_file(lineage, RESULTS / FINAL / name) for name in (METRICS, PER_QUERY))
    return read_scores(metrics.parent), read_per_query(metrics.parent)


def _asked(
    score: Score, before: tuple[Scores, list[QueryScores]], after: tuple[Scores, list[QueryScores]], made: Path
) -> Asked:
    system = score.system or next(iter(before[0].systems))
    if score.query_id is None:
        one, other = (scores.systems.get(system, {}).get(score.measure) for scores, _ in (before, after))
        return Asked(f"{score.measure} of {system}", one, other)
    if score.video_id is None:
        one, other = (
            next((q.values[HEADLINE] for q in scores if (q.query_id, q.system) == (score.query_id, system)), None)
            for _, scores in (before, after)
        )
        return Asked(f"{HEADLINE} of {system} for {score.query_id}", one, other)
    run = recorded_file(score.lineage, RESULTS / FINAL / RUNS / f"{system}.trec")
    ranks = [_rank(system, score.query_id, score.video_id, folder) for folder in (run.parents[1], made)]
    return Asked(f"rank of {score.video_id} by {system} for {score.query_id}", *ranks)


def _rank(system: str, query_id: str, video_id: str, folder: Path) -> int | None:
    found = list(read_ranking(system, query_id, folder))
    return found.index(video_id) + 1 if video_id in found else None


def _system(
    name: str, before: tuple[Scores, list[QueryScores]], after: tuple[Scores, list[QueryScores]]
) -> SystemScore:
    means = [scores.systems.get(name, {}) for scores, _ in (before, after)]
    ours, theirs = (
        {one.query_id: one.values[HEADLINE] for one in scores if one.system == name} for _, scores in (before, after)
    )
    queries = sorted(ours.keys() | theirs.keys())
    moved = [Moved(one, ours.get(one), theirs.get(one)) for one in queries if ours.get(one) != theirs.get(one)]
    apart = {one.query_id: abs((one.recorded or 0.0) - (one.made or 0.0)) for one in moved}
    return SystemScore(
        system=name,
        measures={one: (means[0].get(one), means[1].get(one)) for one in {**means[0], **means[1]}},
        queries=len(queries),
        moved=len(moved),
        largest=max(apart.values(), default=0.0),
        mean=sum(apart.values()) / len(queries) if queries else 0.0,
        most=sorted(moved, key=lambda one: (-apart[one.query_id], one.query_id))[:MOST],
    )
