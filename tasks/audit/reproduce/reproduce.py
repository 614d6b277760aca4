"""A score made again in a clean worktree, and compared with its record: the bytes, or at least the numbers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from tasks.audit.reproduce.compare import Comparison, compare
from tasks.audit.reproduce.inputs import bring, check, external_files
from tasks.audit.reproduce.params import OtherEnvironment
from tasks.audit.reproduce.plan import Plan
from tasks.audit.reproduce.run import clean_tree, run_stages, seconds
from tasks.audit.reproduce.scores import ScoreResult, compare_scores
from tasks.lineage.dvc import PARAMS
from tasks.lineage.lineage import FINAL
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.worktree import climbs, link, named_paths
from tasks.shared.runtime.files import sha256_json

Outcome = Literal["identical bytes", "identical score", "differs", "did not run through"]
EXIT: dict[Outcome, int] = {"identical bytes": 0, "identical score": 0, "differs": 1, "did not run through": 2}
ROOM = 3  # times the recorded bytes: the results, the item store, and what stages write meanwhile


@dataclass(frozen=True)
class Reproduction:
    """What was run and how it compares.

    Attributes:
        state, target: what was reproduced: a state of the pipeline, and the last stage of it that was run.
        commit, why: that was checked out, and how it was found.
        params: recorded, and those of the worktree, with their digest; params_changed: where the commit has others.
        external: files from outside the pipeline whose digests were checked; linked: paths that were linked.
        score: None where the last stage makes none.
        seconds: of the whole run.
        worktree, removal: where the worktree is kept, and the command that removes it; None where it is gone.
    """

    outcome: Outcome
    state: str
    target: str
    commit: str
    why: str
    params: dict[str, Any]
    params_sha256: str
    params_changed: dict[str, list[Any]]
    stages: list[Comparison]
    score: ScoreResult | None
    environment: list[OtherEnvironment]
    external: int
    linked: list[str]
    notes: list[str]
    seconds: float
    worktree: str | None = None
    removal: str | None = None


def reproduce(plan: Plan, root: Path = Path()) -> Reproduction:
    """Run the planned stages in a worktree and compare them. It is kept where anything differs.

    Raises UserError where what the stages read is not what was recorded, before anything runs.
    """
    lineage, target = plan.lineage, plan.again[-1]
    external = external_files(lineage, plan.again)
    outside = [*named_paths(plan.params), *(Path(path) for path in external if not Path(path).is_absolute())]
    with clean_tree(plan.found.commit, _room(plan), climbs(outside), root) as tree:
        if plan.params_changed:
            text = yaml.safe_dump(overridden(plan.found.params, plan.params), sort_keys=False, allow_unicode=True)
            (tree.root / PARAMS).write_text(text, encoding="utf-8")
        linked = link(outside, root.absolute(), tree.root)
        unchecked = check(lineage, plan.again, external, tree.root)
        bring(lineage, plan.before, tree.root)
        begin = time.monotonic()
        code = run_stages(tree, plan.again, plan.whole)
        took = time.monotonic() - begin
        stages = compare(plan, tree.root, seconds(tree, plan.again))
        score = compare_scores(plan.score, tree.root) if target == FINAL and stages[-1].made else None
        found = outcome(code, stages, score)
        tree.kept = found != "identical bytes"
    return Reproduction(
        outcome=found,
        state=lineage.name,
        target=target,
        commit=plan.found.commit,
        why=plan.found.why,
        params=plan.params,
        params_sha256=sha256_json(plan.params),
        params_changed=plan.params_changed,
        stages=stages,
        score=score,
        environment=plan.environment,
        external=len(external),
        linked=linked,
        notes=[*plan.notes, *unchecked],
        seconds=took,
        worktree=str(tree.root) if tree.kept else None,
        removal=tree.removal() if tree.kept else None,
    )


def outcome(code: int, stages: list[Comparison], score: ScoreResult | None) -> Outcome:
    """What the comparisons come to; `code` is DVC's exit code."""
    again = [one for one in stages if one.verdict != "taken as recorded"]
    if code or any(one.verdict == "not made" for one in again):
        return "did not run through"
    if all(one.verdict == "identical bytes" for one in again):
        return "identical bytes"
    return "identical score" if score is not None and score.identical else "differs"


def _room(plan: Plan) -> int:
    stages = [plan.executions[stage] for stage in (*plan.again, *plan.before)]
    files = sum(file.bytes for one in stages for file in one.generated.values())
    return ROOM * (files + sum(folder["bytes"] for one in stages for folder in one.folders.values()))
