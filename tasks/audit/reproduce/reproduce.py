"""A score made again in a clean worktree, and compared with its record: the bytes, or at least the numbers.

The worktree has a store, cache and tracking of its own, so that nothing is found, only made.
"""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import yaml

from tasks.audit.reproduce.compare import Comparison, ScoreResult, compare, compare_scores
from tasks.audit.reproduce.inputs import bring, check, external_files
from tasks.audit.reproduce.plan import Plan
from tasks.audit.text import size
from tasks.lineage.dvc import PARAMS
from tasks.lineage.lineage import FINAL
from tasks.lineage.mlflow import Tracking
from tasks.shared.execution.programs import run
from tasks.shared.execution.repro import DVC, stage_environment
from tasks.shared.execution.worktree import Worktree, climbs, link, named_paths, worktree
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

Outcome = Literal["identical bytes", "identical score", "differs", "did not run through"]
EXIT: dict[Outcome, int] = {"identical bytes": 0, "identical score": 0, "differs": 1, "did not run through": 2}
ROOM = 3  # times the recorded bytes: the results, the item store, and what stages write meanwhile
PREFIX = "reeltrace-reproduce-"
TRACKING = "sqlite:///mlflow.db"  # below the worktree, as its programs see it
OWN_CACHE = "[cache]\n    dir = cache\n"  # as seen from .dvc/
FOREIGN = ("MLFLOW_", "GIT_", "DVC_", "REELTRACE_STORE")  # variables of the workspace


@dataclass(frozen=True, kw_only=True)
class Reproduction(Plan):
    """What was planned, what was run, and how it compares."""

    outcome: Outcome
    params_sha256: str
    stages: list[Comparison]
    score: ScoreResult | None  # None where the last stage makes none
    external: int  # files from outside the pipeline whose digests were checked
    linked: list[str]  # paths that were linked into the worktree
    seconds: float  # of the whole run
    worktree: str | None = None  # where it is kept; None where it is gone
    removal: str | None = None  # the command that removes it


def reproduce(plan: Plan) -> Reproduction:
    """Run the planned stages in a worktree and compare them. It is kept where anything differs.

    Raises UserError where what the stages read is not what was recorded, before anything runs.
    """
    lineage = plan.request.lineage
    external = external_files(lineage, plan.again)
    outside = [*named_paths(plan.params), *(Path(path) for path in external if not Path(path).is_absolute())]
    written = [plan.executions[stage] for stage in (*plan.again, *plan.before)]
    files = sum(file.bytes for one in written for file in one.generated.values())
    room = ROOM * (files + sum(folder["bytes"] for one in written for folder in one.folders.values()))
    with clean_tree(plan.commit, room, climbs(outside)) as tree:
        if plan.params_changed:
            text = yaml.safe_dump(plan.worktree_params, sort_keys=False, allow_unicode=True)
            (tree.root / PARAMS).write_text(text, encoding="utf-8")
        linked = link(outside, Path.cwd(), tree.root)
        unchecked = check(lineage, plan.again, external, tree.root)
        bring(lineage, plan.before, tree.root)
        begin = time.monotonic()
        code = _run_stages(tree, plan)
        seconds = time.monotonic() - begin
        runs = Tracking(TRACKING, tree.root).of_stages(plan.again)
        took = {run.stage: (run.ended - run.started).total_seconds() for run in runs if run.started and run.ended}
        stages = compare(plan, tree.root, took)
        ran = plan.again[-1] == FINAL and stages[-1].made
        scores = compare_scores(plan.request, tree.root) if ran else None
        found = outcome(code, stages, scores)
        tree.kept = found != "identical bytes"
    return Reproduction(
        **vars(plan) | {"notes": [*plan.notes, *unchecked]},
        outcome=found,
        params_sha256=sha256_json(plan.params),
        stages=stages,
        score=scores,
        external=len(external),
        linked=linked,
        seconds=seconds,
        worktree=str(tree.root) if tree.kept else None,
        removal=tree.removal() if tree.kept else None,
    )


def outcome(code: int, stages: list[Comparison], score: ScoreResult | None) -> Outcome:
    """What the comparisons come to; `code` is DVC's exit code."""
    verdicts = {one.verdict for one in stages} - {"taken as recorded"}
    if code or "not made" in verdicts:
        return "did not run through"
    if verdicts == {"identical bytes"}:
        return "identical bytes"
    return "identical score" if score is not None and score.identical else "differs"


def clean_tree(commit: str, needed: int, climbs: int = 0) -> AbstractContextManager[Worktree]:
    """A clean checkout of a commit in the folder for temporary files, which goes unless it is to be kept.

    Args:
        needed: bytes that the run is expected to write.
        climbs: how many folders above the project its relative paths reach; they stay in the temporary folder.

    Raises UserError where git refuses, and where the disk has no room.
    """
    place = Path(tempfile.gettempdir())
    if shutil.disk_usage(place).free < needed:
        raise UserError(
            f"about {size(needed)} of free disk are needed, and {place} does not have them; make room or set TMPDIR to "
            "a folder on another disk"
        )
    return worktree(commit, place, PREFIX, OWN_CACHE, climbs=climbs)


def _run_stages(tree: Worktree, plan: Plan) -> int:
    """Run stages in their order; DVC's exit code. What they print goes to standard error as it comes.

    They are ended when this is interrupted or terminated, and when it is killed.
    """
    targets = [plan.again[-1]] if plan.whole else ["--single-item", *plan.again]
    command = [*DVC, "repro", "--force", "--no-run-cache", "--no-commit", *targets]
    inherited = {k: v for k, v in stage_environment(tree.root).items() if not k.startswith(FOREIGN)}
    own = {"MLFLOW_TRACKING_URI": TRACKING, "DVC_SITE_CACHE_DIR": str(tree.folder / "dvc")}
    show = partial(print, file=sys.stderr, flush=True)
    with terminable():
        return run(command, root=tree.root, environment=inherited | own, line=show, held=[tree.lock])


@contextmanager
def terminable() -> Iterator[None]:
    """Let a request to end be an interrupt, so that what was begun is cleared away."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    handlers = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
