"""Where a pipeline runs: the workspace itself, or a worktree of a commit with other params.

Either is locked while it runs. A worktree shares the workspace's item store, DVC cache and MLflow, so nothing is
computed twice; its results are kept in the workspace as a DVC experiment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import yaml

from flows.params import checked_flow_params
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.params import PARAMS_FILE, checked_params
from tasks.shared.execution.params_file import change_params, overridden
from tasks.shared.execution.repro import DVC, stage_environment, stale
from tasks.shared.execution.tracking import DEFAULT_URI
from tasks.shared.execution.worktree import clear_left_over, climbs, link, named_paths, worktree
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import waiting_for, workspace_held

PREFIX = "reeltrace-cell-"
PLACE = Path(".reeltrace/cells")
SAVING = Path(".dvc/tmp/reeltrace-experiments.lock")
SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Checkout:
    """A project's folder, locked for one pipeline.

    Attributes:
        environment: of the programs that run in it.
        lock: the file descriptor of the lock.
    """

    root: Path
    environment: dict[str, str]
    lock: int


@contextmanager
def workspace_checkout(what: str, root: Path = Path()) -> Iterator[Checkout]:
    """The workspace itself, locked. Raises UserError that names who has it."""
    with workspace_held(root, what) as lock:
        yield Checkout(root.absolute(), stage_environment(root), lock)


@contextmanager
def worktree_checkout(commit: str, overrides: Mapping[str, Any], what: str, root: Path = Path()) -> Iterator[Checkout]:
    """A worktree of a commit in which params are overridden by dotted keys, locked; removed when the block ends.

    Raises UserError for a key or value that params.yaml cannot have, and where git refuses.
    """
    (root / PLACE).mkdir(parents=True, exist_ok=True)
    clear_left_over(PREFIX, root)
    if (text := git.file_at(commit, PARAMS_FILE.as_posix(), root)) is None:
        raise UserError(f"commit {commit[:12]} has no {PARAMS_FILE}; name another revision")
    params = overridden(yaml.safe_load(text), overrides)
    for check in (checked_params, checked_flow_params):
        check(params, f"{PARAMS_FILE} with the overrides")
    outside = named_paths(params)
    with worktree(
        commit, (root / PLACE).absolute(), PREFIX, _shared_cache(root), climbs=climbs(outside), workspace=root
    ) as tree:
        change_params(overrides, tree.root / PARAMS_FILE)
        link(outside, root.absolute(), tree.root)
        shared = {
            "REELTRACE_STORE": str((root / store_folder()).absolute()),
            "MLFLOW_TRACKING_URI": _tracking(root),
            "DVC_SITE_CACHE_DIR": str(tree.folder / "dvc"),  # DVC would keep it for every worktree that ever was
        }
        with workspace_held(tree.root, what) as lock:
            yield Checkout(tree.root, stage_environment(tree.root, **shared), lock)


def save_experiment(checkout: Checkout, name: str, message: str, root: Path = Path()) -> None:
    """Keep a worktree's params and results as a DVC experiment of its commit, in place of one of the same name.

    One at a time: DVC's own locks are of one worktree, while the references it saves by belong to all of them.

    Args:
        root: of the workspace.

    Raises UserError where something is stale, which DVC would save as if it were not, and with what DVC says.
    """
    if behind := stale(checkout.root, checkout.environment):
        raise UserError(f"experiment {name} is not kept: {', '.join(sorted(behind))} would have to run first")
    with waiting_for(root / SAVING, f"experiment {name}"):
        done = subprocess.run(
            [*DVC, "exp", "save", "--force", "--name", name, "--message", message],
            cwd=checkout.root, env=git.author(checkout.root) | checkout.environment,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        reason = " ".join(done.stderr.split())[-300:]
        raise UserError(f"DVC does not keep experiment {name}: {reason}")


def _shared_cache(root: Path) -> str:
    """DVC's settings for the workspace's own cache; links where the disk can, copies elsewhere."""
    done = subprocess.run([*DVC, "cache", "dir"], cwd=root, capture_output=True, text=True, check=False)
    folder = (root / done.stdout.strip()) if done.returncode == 0 else root / ".dvc" / "cache"
    return f'[cache]\n    dir = {folder.absolute()}\n    type = "reflink,hardlink,copy"\n'


def _tracking(root: Path) -> str:
    """MLflow's address as it is seen from elsewhere: a database named relative to the workspace is made absolute."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
    if not uri.startswith(SQLITE) or uri.startswith(f"{SQLITE}/"):
        return uri
    return f"{SQLITE}{(root / unquote(urlparse(uri).path[1:])).absolute()}"
