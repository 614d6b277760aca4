"""A git worktree of the project to run the pipeline in, removed when its work is done, unless it is to be kept.

What a run reads and neither git nor the pipeline has (a folder of videos, a model's directory) is linked into it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import take

LOCK = "dvc.lock"
RUNNING = "running"  # the file that is locked while a worktree is in use
NAME_PATHS = (  # params that may name directories which neither git nor the pipeline has
    "corpus.path", "transcribe.model", "retriever.model", "base.model", "base.processor", "base.adapter",
)  # fmt: skip


@dataclass
class Worktree:
    """A checkout of a commit."""

    folder: Path  # all that belongs to it
    checkout: Path  # what git calls the worktree
    root: Path  # the project in it, perhaps a folder of the checkout
    lock: int  # the open file whose lock says that it is in use
    kept: bool = False  # whether it stays

    def removal(self) -> str:
        """The command that removes it."""
        return f"git worktree remove --force '{self.checkout}' && rm -r '{self.folder}'"


@contextmanager
def worktree(
    commit: str, place: Path, prefix: str, dvc_config: str, *, climbs: int = 0, workspace: Path = Path()
) -> Iterator[Worktree]:
    """A clean checkout of a commit without its dvc.lock; it is removed when the block ends, unless it is to be kept.

    It is made in the folder `place`, under a name that begins with `prefix`; `dvc_config` is added to DVC's, its paths
    as seen from .dvc/; `climbs` is how many folders above the project its relative paths reach, which stay inside.
    Raises UserError where git refuses.
    """
    _git(workspace, "worktree", "prune")
    below = _git(workspace, "rev-parse", "--show-prefix").strip()
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=place))
    checkout = folder.joinpath(*["above"] * climbs, folder.name)
    lock = take(folder / RUNNING, prefix)
    assert lock is not None, "the folder is new"
    tree = Worktree(folder, checkout, checkout / below, lock)
    try:
        checkout.parent.mkdir(parents=True, exist_ok=True)
        # hooks off: the one that `dvc install` makes would check recorded results out
        _git(workspace, "-c", "core.hooksPath=/dev/null", "worktree", "add", "--detach", str(checkout), commit)
        (tree.root / LOCK).unlink(missing_ok=True)
        (tree.root / ".dvc").mkdir(exist_ok=True)
        (tree.root / ".dvc" / "config.local").write_text(dvc_config, encoding="utf-8")
        yield tree
    finally:
        os.close(lock)
        if tree.kept:
            (folder / RUNNING).unlink(missing_ok=True)
        else:
            _remove(checkout, folder, workspace)


def named_paths(params: Mapping[str, Any]) -> list[Path]:
    """Relative paths outside results/ that params (by section) may name."""
    found = set()
    for dotted in NAME_PATHS:
        section, _, key = dotted.partition(".")
        value = params.get(section, {}).get(key)
        if isinstance(value, str) and value and not Path(value).is_absolute() and RESULTS not in Path(value).parents:
            found.add(Path(value))
    return sorted(found)


def climbs(paths: Sequence[Path]) -> int:
    """How many folders above the workspace the paths reach."""
    return max((Path(os.path.normpath(path)).parts.count("..") for path in paths), default=0)


def link(paths: Sequence[Path], workspace: Path, worktree: Path) -> list[str]:
    """Link what the workspace has and the worktree lacks, at the same paths: stages record them. The linked paths.
    Folders are to come before the files in them."""
    made = []
    for path in paths:
        source, target = workspace / path, worktree / path
        if path.is_absolute() or target.exists() or not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
        made.append(path.as_posix())
    return made


def left_over(prefix: str, workspace: Path = Path()) -> list[Path]:
    """Checkouts that are not in use: kept, or left by a process that was killed."""
    listing = _git(workspace, "worktree", "list", "--porcelain")
    paths = [Path(line.removeprefix("worktree ")) for line in listing.splitlines() if line.startswith("worktree ")]
    return [path for path in paths if path.name.startswith(prefix) and path.is_dir() and not _running(path)]


def clear_left_over(prefix: str, workspace: Path = Path()) -> None:
    """Remove the checkouts that are not in use."""
    for checkout in left_over(prefix, workspace):
        _remove(checkout, _folder(checkout), workspace)


def _folder(checkout: Path) -> Path:
    return next(one for one in reversed([checkout, *checkout.parents]) if one.name == checkout.name)


def _running(checkout: Path) -> bool:
    """Whether a worktree is in use."""
    path = _folder(checkout) / RUNNING
    if not path.exists():
        return False
    try:
        if (lock := take(path, "a look")) is not None:
            os.close(lock)
    except PermissionError:  # another user's
        return True
    return lock is None


def _remove(checkout: Path, folder: Path, workspace: Path) -> None:
    with _undisturbed():
        _run(workspace, "worktree", "remove", "--force", "--force", str(checkout))
        shutil.rmtree(folder, ignore_errors=True)
        _run(workspace, "worktree", "prune")


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C leave half of it; threads never get one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
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
