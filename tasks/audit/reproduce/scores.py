"""The score that was made against the recorded one: every system, every measure, every query."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.audit.recorded import recorded_file
from tasks.lineage.lineage import FINAL
from tasks.lineage.score import Score
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class ScoreResult:
    """Whether all numbers are the same. Rows have what was `recorded` and what was `made` here, None where it is not
    there."""

    identical: bool | None  # None where they cannot be compared, and `reason` says why
    asked: dict[str, Any] | None = None  # the number that was asked for: a measure, a query's nDCG@10, or a rank
    means: list[dict[str, Any]] = field(default_factory=list)  # every system and measure
    scored: int = 0  # pairs of system and query
    moved: list[dict[str, Any]] = field(default_factory=list)  # pairs whose nDCG@10 differs, by how much: most first
    reason: str | None = None


def compare_scores(score: Score, root: Path) -> ScoreResult:
    """Compare the evaluate stage that was run below `root` with its record."""
    try:
        for name in (METRICS, PER_QUERY):
            recorded = recorded_file(score.lineage, RESULTS / FINAL / name).parent
        folders = recorded, root / RESULTS / FINAL
        means = [
            {(system, name): one for system, of in read_scores(folder).systems.items() for name, one in of.items()}
            for folder in folders
        ]
        values = [{(one.system, one.query_id): one.values for one in read_per_query(folder)} for folder in folders]
        asked = _asked(score, means, values, folders) if means[0] else None
    except UserError as error:
        return ScoreResult(None, reason=str(error))
    headline = [{pair: one[HEADLINE] for pair, one in of.items()} for of in values]
    by_query = [row | {"by": abs((row["recorded"] or 0.0) - (row["made"] or 0.0))} for row in _rows("query", *headline)]
    return ScoreResult(
        identical=means[0] == means[1] and values[0] == values[1],
        asked=asked,
        means=_rows("measure", *means),
        scored=len(by_query),
        moved=sorted(
            (row for row in by_query if row["recorded"] != row["made"]), key=lambda row: row["by"], reverse=True
        ),
    )


def _rows(
    what: str, recorded: dict[tuple[str, str], float], made: dict[tuple[str, str], float]
) -> list[dict[str, Any]]:
    return [
        {"system": system, what: name, "recorded": recorded.get((system, name)), "made": made.get((system, name))}
        for system, name in {**recorded, **made}
    ]


def _asked(score: Score, means: list[Any], values: list[Any], folders: tuple[Path, Path]) -> dict[str, Any]:
    system = score.system or next(iter(means[0]))[0]
    what, found = f"{score.measure} of {system}", [one.get((system, score.measure)) for one in means]
    if score.query_id is not None and score.video_id is None:
        what = f"{HEADLINE} of {system} for {score.query_id}"
        found = [one.get((system, score.query_id), {}).get(HEADLINE) for one in values]
    elif score.query_id is not None:
        recorded_file(score.lineage, RESULTS / FINAL / RUNS / f"{system}.trec")
        what = f"rank of {score.video_id} by {system} for {score.query_id}"
        rankings = [list(read_ranking(system, score.query_id, folder)) for folder in folders]
        found = [one.index(score.video_id) + 1 if score.video_id in one else None for one in rankings]
    return {"what": what, "recorded": found[0], "made": found[1]}
