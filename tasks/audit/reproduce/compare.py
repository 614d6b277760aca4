"""What was made in the worktree against its record: stages, compared as `diff` does, and all numbers of the score."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from tasks.audit.diff.pair import Change, Pair, changes, compare_files
from tasks.audit.diff.stages import value
from tasks.audit.recorded import recorded_file
from tasks.audit.reproduce.amounts import amount
from tasks.audit.reproduce.plan import Plan
from tasks.lineage.lineage import FINAL
from tasks.lineage.model import Execution, manifest_path
from tasks.lineage.open import published
from tasks.lineage.score import Score
from tasks.shared.artifacts.runs import RUNS, read_ranking
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

Verdict = Literal["identical bytes", "same outputs, another manifest", "differs", "not made", "taken as recorded"]


@dataclass(frozen=True)
class Comparison:
    """A stage's recorded result against the one made here."""

    stage: str
    verdict: Verdict
    recorded: str  # sha256 of its manifest
    made: str | None = None  # None where it was not run or did not finish
    files: int = 0  # outputs that were compared
    differing: list[dict[str, Any]] = field(default_factory=list)  # of very many the first; sha256 recorded and made
    manifest_differs: list[str] = field(default_factory=list)  # entries, those of outputs aside
    runs: list[str] = field(default_factory=list)  # ids of MLflow's runs that published the recorded result
    outs: dict[str, str] = field(default_factory=dict)  # DVC's md5 of the recorded outputs
    seconds: float | None = None  # of this run of the stage


def compare(plan: Plan, root: Path, seconds: Mapping[str, float]) -> list[Comparison]:
    """Compare the stages that were run below `root` with their record."""
    there = [stage for stage in plan.again if (root / manifest_path(stage)).is_file()]
    pair = Pair(plan.request.lineage, published(there, root / RESULTS))
    return [_comparison(plan, pair, stage, seconds.get(stage)) for stage in plan.executions]


def _comparison(plan: Plan, pair: Pair, stage: str, seconds: float | None) -> Comparison:
    recorded, made = plan.executions[stage], pair.b.executions.get(stage)
    runs, outs = [run.run_id for run in plan.runs[stage]], pair.a.outs_of(stage)
    verdict: Verdict = "not made" if stage in plan.again else "taken as recorded"
    found = Comparison(stage, verdict, recorded.digest, runs=runs, outs=outs, seconds=seconds)
    if made is None:
        return found
    files = compare_files(pair, stage)
    same: Verdict = "identical bytes" if made.digest == recorded.digest else "same outputs, another manifest"
    return replace(
        found,
        verdict="differs" if files.named else same,
        made=made.digest,
        files=files.equal + files.added + files.changed,
        differing=[_difference(pair, file) for file in files.named],
        manifest_differs=list(_manifest_differences(recorded, made)),
    )


def _manifest_differences(recorded: Execution, made: Execution) -> Iterator[str]:
    """Entries that differ, as `components.torch: 2.12 recorded, 2.13 here`; inputs by their paths."""
    for part in ("params", "code", "components", "counts"):
        for one in changes(getattr(recorded, part), getattr(made, part)):
            yield f"{part}.{one.key}: {value(one, 'a')} recorded, {value(one, 'b')} here"
    yield from (f"input {one.key}" for one in changes(recorded.used, made.used))


def _difference(pair: Pair, file: Change) -> dict[str, Any]:
    """How much a file differs, or the reason why that is not known."""
    found: dict[str, Any] = {"path": file.key, "recorded": file.a, "made": file.b, "amount": None, "reason": None}
    if file.how != "changed":
        return found | {"reason": "made here only" if file.how == "added" else "not made here"}
    try:
        return found | {"amount": amount(recorded_file(pair.a, file.key, file.a), pair.b.need(file.key))}
    except Exception as error:  # a reader of one format or another, on bytes that may be anything
        return found | {"reason": f"not compared: {' '.join(str(error).split())}"}


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
        moved=sorted((row for row in by_query if row["recorded"] != row["made"]), key=lambda row: -row["by"]),
    )


def _rows(what: str, recorded: Mapping[Any, float], made: Mapping[Any, float]) -> list[dict[str, Any]]:
    return [
        {"system": system, what: name, "recorded": recorded.get((system, name)), "made": made.get((system, name))}
        for system, name in {**recorded, **made}
    ]


def _asked(score: Score, means: list[Any], values: list[Any], folders: tuple[Path, Path]) -> dict[str, Any]:
    system = score.system or next(iter(means[0]))[0]
    if score.query_id is None:
        what, found = f"{score.measure} of {system}", [one.get((system, score.measure)) for one in means]
    elif score.video_id is None:
        what = f"{HEADLINE} of {system} for {score.query_id}"
        found = [one.get((system, score.query_id), {}).get(HEADLINE) for one in values]
    else:
        recorded_file(score.lineage, RESULTS / FINAL / RUNS / f"{system}.trec")
        what = f"rank of {score.video_id} by {system} for {score.query_id}"
        rankings = [list(read_ranking(system, score.query_id, folder)) for folder in folders]
        found = [one.index(score.video_id) + 1 if score.video_id in one else None for one in rankings]
    return {"what": what, "recorded": found[0], "made": found[1]}
