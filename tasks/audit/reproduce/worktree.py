"""A clean worktree to run the pipeline in: its own store, cache and tracking, so that nothing is found, only made.

It lies in a temporary folder and goes with it, unless it is kept for its differences to be looked at.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.show import size
from tasks.audit.snapshot import LOCK
from tasks.shared.errors import UserError
from tasks.shared.items import store_folder

PREFIX = "reeltrace-reproduce-"
TRACKING = "sqlite:///mlflow.db"  # below the worktree, as its programs see it
RUNNING = "running"  # the file that has the id of the process
OWN_CACHE = "[cache]\n    dir = cache\n"  # as seen from .dvc/


@dataclass
class Worktree:
    """A checkout of a commit.

    Attributes:
        folder: all that belongs to it.
        checkout: what git calls the worktree.
        root: the project in it; another folder than the checkout where the project is a folder of the repository.
        kept: whether it stays.
    """

    folder: Path
    checkout: Path
    root: Path
    kept: bool = False

    def removal(self) -> str:
        """The command that removes it."""
        return f"git worktree remove --force '{self.checkout}' && rm -r '{self.folder}'"


@contextmanager
def worktree(commit: str, needed: int, climbs: int = 0, workspace: Path = Path()) -> Iterator[Worktree]:
    """A clean checkout of a commit without its dvc.lock; it is removed when the block ends, unless it is to be kept.

    Args:
        needed: bytes that the run is expected to write.
        climbs: how many folders above the project its relative paths reach; they stay in the temporary folder.

    Raises UserError where git refuses, and where no disk has the room.
    """
    _git(workspace, "worktree", "prune")
    prefix = _git(workspace, "rev-parse", "--show-prefix").strip()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=_place(needed)))
    checkout = folder.joinpath(*["above"] * climbs, folder.name)
    tree = Worktree(folder, checkout, checkout / prefix)
    try:
        (folder / RUNNING).write_text(str(os.getpid()), encoding="utf-8")
        checkout.parent.mkdir(parents=True, exist_ok=True)
        # hooks off: the one that `dvc install` makes would check recorded results out
        _git(workspace, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(checkout), commit)
        (tree.root / LOCK).unlink(missing_ok=True)
        (tree.root / ".dvc").mkdir(exist_ok=True)
        (tree.root / ".dvc" / "config.local").write_text(OWN_CACHE, encoding="utf-8")
        yield tree
    finally:
        if tree.kept:
            (folder / RUNNING).unlink(missing_ok=True)
        else:
            _remove(tree, workspace)


def left_over(workspace: Path = Path()) -> list[str]:
    """Worktrees of reproductions that are over: kept for their differences, or left by one that was killed."""
    listing = _git(workspace, "worktree", "list", "--porcelain")
    paths = [Path(line.removeprefix("worktree ")) for line in listing.splitlines() if line.startswith("worktree ")]
    return [str(path) for path in paths if path.name.startswith(PREFIX) and path.is_dir() and not _running(path)]


def _running(checkout: Path) -> bool:
    """Whether the process that works in a worktree still does."""
    folder = next(one for one in reversed([checkout, *checkout.parents]) if one.name == checkout.name)
    try:
        os.kill(int((folder / RUNNING).read_text(encoding="utf-8")), 0)
    except PermissionError:  # another user's
        return True
    except (OSError, ValueError):
        return False
    return True


def _place(needed: int) -> Path:
    """The folder for temporary files, or where that is too small the item store's."""
    places = [Path(tempfile.gettempdir()), store_folder().absolute()]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free >= needed:
            return place
    raise UserError(
        f"about {size(needed)} of free disk are needed, and neither {places[0]} nor {places[1]} has them; make room or "
        "set TMPDIR to a folder on another disk"
    )


def _remove(tree: Worktree, workspace: Path) -> None:
    with _undisturbed():
        _run(workspace, "worktree", "remove", "--force", "--force", str(tree.checkout))
        shutil.rmtree(tree.folder, ignore_errors=True)
        _run(workspace, "worktree", "prune")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C leave half of it."""
    kept = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, kept)


def _git(workspace: Path, *arguments: str) -> str:
    done = _run(workspace, *arguments)
    if done.returncode:
        reason = " ".join(done.stderr.split())[:300]
        raise UserError(f"a clean worktree cannot be made, git says: {reason}")
    return done.stdout


def _run(workspace: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run git as from a shell: not with the index of a hook that this may be called from, nor interrupted with it."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", *arguments],
        cwd=workspace, env=environment, capture_output=True, text=True, check=False, start_new_session=True,
    )  # fmt: skip
