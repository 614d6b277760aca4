"""Running stages in the worktree by DVC, with nothing of the workspace in their environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tasks.audit.executions import Executions
from tasks.audit.reproduce.worktree import TRACKING, Worktree

GRACE = 5  # seconds that programs have to end in
STDERR = 2


def run_stages(tree: Worktree, stages: Sequence[str], whole: bool) -> int:
    """Run stages; DVC's exit code. What they print goes to standard error as it comes.

    Their process group is ended when this is interrupted or terminated.

    Args:
        stages: in the order to run them.
        whole: they are all that the last of them follows from, so DVC is asked for that one alone.
    """
    targets = [stages[-1]] if whole else ["--single-item", *stages]
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache", "--no-commit", *targets]
    with terminable():
        process = subprocess.Popen(
            command, cwd=tree.root, env=environment(tree), stdin=subprocess.DEVNULL, stdout=STDERR, stderr=STDERR,
            start_new_session=True,
        )  # fmt: skip
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            with suppress(ProcessLookupError, PermissionError):  # what outlived DVC
                os.killpg(process.pid, signal.SIGKILL)


def environment(tree: Worktree) -> dict[str, str]:
    """Of the programs: this Python, the worktree's code, and no store, cache, git or tracking server but its own."""
    own = ("MLFLOW_", "GIT_", "DVC_", "REELTRACE_STORE", "PYTHONSAFEPATH", "PYTHONHOME")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return inherited | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PYTHONPATH": str(tree.root),
        "MLFLOW_TRACKING_URI": TRACKING,
        "DVC_SITE_CACHE_DIR": str(tree.folder / "dvc"),
    }


def seconds(tree: Worktree, stages: Sequence[str]) -> dict[str, float]:
    """How long stages took in the worktree, as its own MLflow has it."""
    runs = Executions(TRACKING, tree.root).of_stages(stages)
    return {run.stage: (run.ended - run.started) / 1000 for run in runs if run.started and run.ended}


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGINT)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)


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
