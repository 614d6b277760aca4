"""The score that was made against the recorded one: every system, every measure, every query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.change import Change, changes
from tasks.audit.recorded import recorded_file
from tasks.lineage.lineage import FINAL
from tasks.lineage.score import Score
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

Means = Mapping[str, Mapping[str, float]]  # by system and measure
Values = Mapping[tuple[str, str], Mapping[str, float]]  # by system and query, then by measure


@dataclass(frozen=True)
class SystemScore:
    """A system's numbers."""

    system: str
    measures: dict[str, tuple[float | None, float | None]]  # recorded, and made here
    queries: int
    moved: list[Change]  # nDCG@10 of queries that score differently, recorded (A) and made here (B), the most first


@dataclass(frozen=True)
class Asked:
    """The number that was asked for: a measure, a query's nDCG@10, or a video's rank; None where there is none."""

    what: str
    recorded: float | None
    made: float | None


@dataclass(frozen=True)
class ScoreResult:
    """Whether all numbers are the same; `reason` says why where they cannot be compared."""

    identical: bool | None
    systems: list[SystemScore]
    asked: Asked | None = None
    reason: str | None = None


def compare_scores(score: Score, root: Path) -> ScoreResult:
    """Compare the evaluate stage that was run below `root` with its record."""
    made = root / RESULTS / FINAL
    try:
        for name in (METRICS, PER_QUERY):
            recorded = recorded_file(score.lineage, RESULTS / FINAL / name).parent
        folders = recorded, made
        means = [read_scores(folder).systems for folder in folders]
        values = [{(one.system, one.query_id): one.values for one in read_per_query(folder)} for folder in folders]
        asked = _asked(score, means, values, made) if means[0] else None
    except UserError as error:
        return ScoreResult(None, [], reason=str(error))
    systems = [_system(name, means, values) for name in {**means[0], **means[1]}]
    return ScoreResult(means[0] == means[1] and values[0] == values[1], systems, asked)


def _asked(score: Score, means: Sequence[Means], values: Sequence[Values], made: Path) -> Asked:
    system = score.system or next(iter(means[0]))
    if score.query_id is None:
        return Asked(f"{score.measure} of {system}", *(one.get(system, {}).get(score.measure) for one in means))
    if score.video_id is None:
        found = (one.get((system, score.query_id), {}).get(HEADLINE) for one in values)
        return Asked(f"{HEADLINE} of {system} for {score.query_id}", *found)
    run = recorded_file(score.lineage, RESULTS / FINAL / RUNS / f"{system}.trec")
    rankings = [list(read_ranking(system, score.query_id, folder)) for folder in (run.parents[1], made)]
    ranks = (one.index(score.video_id) + 1 if score.video_id in one else None for one in rankings)
    return Asked(f"rank of {score.video_id} by {system} for {score.query_id}", *ranks)


def _system(name: str, means: Sequence[Means], values: Sequence[Values]) -> SystemScore:
    a, b = (of.get(name, {}) for of in means)
    before, after = ({query: one[HEADLINE] for (system, query), one in of.items() if system == name} for of in values)
    moved = sorted(changes(before, after), key=distance, reverse=True)
    return SystemScore(name, {one: (a.get(one), b.get(one)) for one in {**a, **b}}, len({*before, *after}), moved)


def distance(one: Change) -> float:
    """By how much a query moved; where only one side scored it, all of that."""
    return abs((one.a or 0.0) - (one.b or 0.0))
