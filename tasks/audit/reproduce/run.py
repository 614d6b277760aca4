"""A clean worktree with a store, cache and tracking of its own, so that nothing is found, only made; and DVC in it."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.audit.text import size
from tasks.lineage.mlflow import Tracking
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.programs import run
from tasks.shared.execution.repro import DVC, stage_environment
from tasks.shared.execution.worktree import Worktree, worktree
from tasks.shared.runtime.errors import UserError

PREFIX = "reeltrace-reproduce-"
TRACKING = "sqlite:///mlflow.db"  # below the worktree, as its programs see it
OWN_CACHE = "[cache]\n    dir = cache\n"  # as seen from .dvc/
FOREIGN = ("MLFLOW_", "GIT_", "DVC_", "REELTRACE_STORE")  # variables of the workspace


@contextmanager
def clean_tree(commit: str, needed: int, climbs: int = 0, workspace: Path = Path()) -> Iterator[Worktree]:
    """A clean checkout of a commit in a temporary folder, which goes with it unless it is to be kept.

    Args:
        needed: bytes that the run is expected to write.
        climbs: how many folders above the project its relative paths reach; they stay in the temporary folder.

    Raises UserError where git refuses, and where neither the disk for temporary files nor the item store's has room.
    """
    places = [Path(tempfile.gettempdir()), store_folder().absolute()]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free >= needed:
            break
    else:
        raise UserError(
            f"about {size(needed)} of free disk are needed, and neither {places[0]} nor {places[1]} has them; make "
            "room or set TMPDIR to a folder on another disk"
        )
    with worktree(commit, place, PREFIX, OWN_CACHE, climbs=climbs, workspace=workspace) as tree:
        yield tree


def run_stages(tree: Worktree, stages: Sequence[str], whole: bool) -> int:
    """Run stages; DVC's exit code. What they print goes to standard error as it comes.

    They are ended when this is interrupted or terminated, and when it is killed.

    Args:
        stages: in the order to run them.
        whole: they are all that the last of them follows from, so DVC is asked for that one alone.
    """
    targets = [stages[-1]] if whole else ["--single-item", *stages]
    command = [*DVC, "repro", "--force", "--no-run-cache", "--no-commit", *targets]
    inherited = {k: v for k, v in stage_environment(tree.root).items() if not k.startswith(FOREIGN)}
    own = {"MLFLOW_TRACKING_URI": TRACKING, "DVC_SITE_CACHE_DIR": str(tree.folder / "dvc")}
    with terminable():
        return run(command, root=tree.root, environment=inherited | own, line=_show, held=[tree.lock])


def seconds(tree: Worktree, stages: Sequence[str]) -> dict[str, float]:
    """How long stages took in the worktree, as its own MLflow has it."""
    runs = Tracking(TRACKING, tree.root).of_stages(stages)
    return {run.stage: (run.ended - run.started).total_seconds() for run in runs if run.started and run.ended}


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


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
