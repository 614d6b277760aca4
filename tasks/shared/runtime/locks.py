"""Locks of the operating system, with a note that says who holds them.

Only the lock counts: it ends with the process that holds it, however that ends.

It is flock itself and not the library filelock, whose release unlocks the file for every process that inherited the
descriptor. Here a holder only closes its own descriptor, so a workspace stays locked until the last process of a stage
has ended, also after a second Ctrl-C.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tasks.shared.runtime.errors import UserError

TRY_SECONDS = 0.2  # between two tries to take a lock
WORKSPACE = Path(".dvc/tmp/reeltrace-pipeline.lock")
NOTE_BYTES = 1 << 16  # of a note that are read


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: what it does, its process, and since when (local time, to the second)."""

    what: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid}, since {self.since})"


def take(path: Path, what: str, mode: int = 0o644) -> int | None:
    """Take a lock, made where its file is missing: the descriptor that holds it until all its copies are closed, or
    None where another process has it. `what` the holder does is for its note; `mode` is of a new file, 0o666 for all
    users of a machine. Raises OSError where the file cannot be opened, or is a link or anything but a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        descriptor = _opened(path, mode)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a file", str(path))
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(path, descriptor):  # and was not removed and made again by others meanwhile
                break
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    holder = Holder(what, os.getpid(), datetime.now().astimezone().isoformat(" ", "seconds"))
    with suppress(OSError):  # a full disk, or another user's file that can only be read: it is locked all the same
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
    return descriptor


def _opened(path: Path, mode: int) -> int:
    """Open a lock's file. Not simply with O_CREAT: in /tmp Linux may refuse that for the files of other users."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        with suppress(FileNotFoundError):
            try:
                return os.open(path, flags | os.O_RDWR)
            except PermissionError:
                return os.open(path, flags | os.O_RDONLY)
        with suppress(FileExistsError):
            descriptor = os.open(path, flags | os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)
            os.fchmod(descriptor, mode)  # whatever the umask
            return descriptor


def _is_still(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.lstat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def holder_of(path: Path) -> Holder | None:
    """The last holder according to the note; None where there is none or it cannot be read."""
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            return Holder(**json.loads(stream.read(NOTE_BYTES)))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def workspace_held(root: Path, what: str) -> Iterator[int]:
    """Hold a workspace for one pipeline; yields the lock's open file. Raises UserError that names who has it."""
    if (descriptor := take(root / WORKSPACE, what)) is None:
        holder = holder_of(root / WORKSPACE) or "it does not say which"
        raise UserError(
            f"another pipeline has the workspace {root.absolute()}: {holder}; wait for it, cancel it, or give "
            "overrides or a rev, which run in a worktree of their own"
        )
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def waiting_for(path: Path, what: str) -> Iterator[None]:
    """Wait for a lock and hold it."""
    while (descriptor := take(path, what)) is None:
        time.sleep(TRY_SECONDS)
    try:
        yield
    finally:
        os.close(descriptor)
