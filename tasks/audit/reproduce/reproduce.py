"""A score made again in a clean worktree, and compared with its record."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from tasks.audit.reproduce import external
from tasks.audit.reproduce.answer import Reproduction, outcome
from tasks.audit.reproduce.compare import compare, taken
from tasks.audit.reproduce.execute import run_stages, seconds
from tasks.audit.reproduce.recorded import bring
from tasks.audit.reproduce.scores import compare_scores
from tasks.audit.reproduce.tree import clean_tree
from tasks.lineage.dvc import PARAMS
from tasks.lineage.lineage import FINAL
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.worktree import Worktree, climbs, link, named_paths
from tasks.shared.runtime.files import sha256_json

if TYPE_CHECKING:
    from tasks.audit.reproduce.plan import Plan

ROOM = 3  # times the recorded bytes: the results, the item store, and what stages write meanwhile


def reproduce(plan: Plan, root: Path = Path()) -> Reproduction:
    """Run the planned stages in a worktree and compare them. It stays where anything differs, and goes otherwise.

    Raises UserError where what the stages read is not what was recorded, before anything runs.
    """
    recorded = external.read(plan.lineage, plan.again)
    outside = [*named_paths(plan.params), *(Path(path) for path in recorded if not Path(path).is_absolute())]
    with clean_tree(plan.found.commit, _room(plan), climbs(outside), root) as tree:
        if plan.params_changed:
            text = yaml.safe_dump(overridden(plan.found.params, plan.params), sort_keys=False, allow_unicode=True)
            (tree.root / PARAMS).write_text(text, encoding="utf-8")
        linked = link(outside, root.absolute(), tree.root)
        untold = external.check(plan.lineage, plan.again, recorded, tree.root)
        bring(plan.lineage, plan.before, tree.root)
        begin = time.monotonic()
        code = run_stages(tree, plan.again, plan.whole)
        took = time.monotonic() - begin
        answer = _compared(plan, tree, code, took, linked, len(recorded), untold)
        tree.kept = answer.worktree is not None
    return answer


def _room(plan: Plan) -> int:
    stages = [plan.executions[stage] for stage in (*plan.again, *plan.before)]
    files = sum(file.bytes for one in stages for file in one.generated.values())
    return ROOM * (files + sum(folder["bytes"] for one in stages for folder in one.folders.values()))


def _compared(
    plan: Plan, tree: Worktree, code: int, took: float, linked: list[str], checked: int, untold: list[str]
) -> Reproduction:
    times = seconds(tree, plan.again)
    stages = [
        compare(plan.lineage, stage, tree.root, times.get(stage)) if stage in plan.again else taken(plan.lineage, stage)
        for stage in plan.executions
    ]
    target = plan.again[-1]
    made = stages[-1].made is not None
    score = compare_scores(plan.score, tree.root) if target == FINAL and made else None
    found = outcome(code, stages, score)
    kept = found != "identical bytes"
    return Reproduction(
        outcome=found,
        state=plan.lineage.name,
        target=target,
        commit=plan.found.commit,
        why=plan.found.why,
        params=plan.params,
        params_sha256=sha256_json(plan.params),
        params_changed=plan.params_changed,
        stages=stages,
        score=score,
        environment=plan.environment,
        external=checked,
        linked=linked,
        notes=[*plan.notes, *untold],
        seconds=took,
        worktree=str(tree.root) if kept else None,
        removal=tree.removal() if kept else None,
    )
