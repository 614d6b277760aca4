"""What stages made in the worktree against what their manifests recorded: two states, compared as `diff` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from tasks.audit.change import Change, changes
from tasks.audit.diff.pair import Pair, compare_files
from tasks.audit.recorded import recorded_file
from tasks.audit.reproduce.amounts import Amount, amount
from tasks.audit.reproduce.plan import Plan
from tasks.audit.text import shortened
from tasks.lineage.model import Execution, manifest_path
from tasks.lineage.open import published
from tasks.shared.artifacts.types import RESULTS

Verdict = Literal["identical bytes", "same outputs, another manifest", "differs", "not made", "taken as recorded"]


@dataclass(frozen=True)
class FileDifference:
    """An output that is not as recorded: sha256 of both, None for a file that is only in the other."""

    path: str
    recorded: str | None
    made: str | None
    amount: Amount | None = None  # how much differs; None where only one is to be had, and `reason` says why
    reason: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A stage's recorded result against the one made here."""

    stage: str
    verdict: Verdict
    recorded: str  # sha256 of its manifest
    made: str | None = None  # None where it was not run or did not finish
    files: int = 0  # outputs that were compared
    differing: list[FileDifference] = field(default_factory=list)  # of very many the first
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
    found = Comparison(
        stage,
        "not made" if stage in plan.again else "taken as recorded",
        recorded.digest,
        runs=[run.run_id for run in plan.runs[stage]],
        outs=pair.a.outs_of(stage),
        seconds=seconds,
    )
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
            a, b = ("nothing" if value is None else shortened(str(value), 40) for value in (one.a, one.b))
            yield f"{part}.{one.key}: {a} recorded, {b} here"
    yield from (f"input {one.key}" for one in changes(recorded.used, made.used))


def _difference(pair: Pair, file: Change) -> FileDifference:
    found = FileDifference(file.key, file.a, file.b)
    if file.how != "changed":
        return replace(found, reason="made here only" if file.how == "added" else "not made here")
    try:
        return replace(found, amount=amount(recorded_file(pair.a, file.key, file.a), pair.b.need(file.key)))
    except Exception as error:  # a reader of one format or another, on bytes that may be anything
        return replace(found, reason=f"not compared: {' '.join(str(error).split())}")
