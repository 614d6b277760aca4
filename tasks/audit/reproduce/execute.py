"""Running stages in the worktree by DVC, with nothing of the workspace in their environment."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tasks.audit.reproduce.tree import TRACKING
from tasks.lineage.mlflow import Tracking
from tasks.shared.execution.programs import run
from tasks.shared.execution.repro import DVC, stage_environment
from tasks.shared.execution.worktree import Worktree


def run_stages(tree: Worktree, stages: Sequence[str], whole: bool) -> int:
    """Run stages; DVC's exit code. What they print goes to standard error as it comes.

    They are ended when this is interrupted or terminated, and when it is killed.

    Args:
        stages: in the order to run them.
        whole: they are all that the last of them follows from, so DVC is asked for that one alone.
    """
    targets = [stages[-1]] if whole else ["--single-item", *stages]
    command = [*DVC, "repro", "--force", "--no-run-cache", "--no-commit", *targets]
    with terminable():
        return run(command, root=tree.root, environment=environment(tree), line=_show, held=[tree.lock])


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def environment(tree: Worktree) -> dict[str, str]:
    """Of the programs: no store, cache, git or tracking server but the worktree's own."""
    foreign = ("MLFLOW_", "GIT_", "DVC_", "REELTRACE_STORE")
    inherited = {k: v for k, v in stage_environment(tree.root).items() if not k.startswith(foreign)}
    return inherited | {"MLFLOW_TRACKING_URI": TRACKING, "DVC_SITE_CACHE_DIR": str(tree.folder / "dvc")}


def seconds(tree: Worktree, stages: Sequence[str]) -> dict[str, float]:
    """How long stages took in the worktree, as its own MLflow has it."""
    runs = Tracking(TRACKING, tree.root).of_stages(stages)
    return {run.stage: (run.ended - run.started).total_seconds() for run in runs if run.started and run.ended}


@contextmanager
def terminable() -> Iterator[None]:
    """Let a request to end be an interrupt, so that what was begun is cleared away."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    kept = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
