"""Locks of the operating system, with a note that says who holds them.

The lock is the truth: it is gone with its holder, however that one ended. The note is for people.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from tasks.shared.errors import UserError

PAUSE = 0.2  # seconds between two looks at a lock that is waited for
WORKSPACE = Path(".dvc/tmp/reeltrace-pipeline.lock")


@dataclass(frozen=True)
class Holder:
    """Who holds a lock: what it does, its process, and since when (local time, to the second)."""

    what: str
    pid: int
    since: str

    def __str__(self) -> str:
        return f"{self.what} (process {self.pid}, since {self.since})"


def take(path: Path, what: str) -> int | None:
    """Take a lock: the open file that holds it until it is closed everywhere, or None where another has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    holder = Holder(what, os.getpid(), datetime.now().astimezone().isoformat(" ", "seconds"))
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
    return descriptor


def holder_of(path: Path) -> Holder | None:
    """What the note says of the last holder; None where there is no readable one."""
    try:
        return Holder(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


@contextmanager
def workspace_held(root: Path, what: str) -> Iterator[int]:
    """Hold a workspace for one pipeline; yields the lock's open file. Raises UserError that names who has it."""
    path = root / WORKSPACE
    if (descriptor := take(path, what)) is None:
        raise UserError(
            f"another pipeline has the workspace {root.absolute()}: {holder_of(path) or 'it does not say which'}; wait "
            "for it, cancel it, or give overrides or a rev, which run in a worktree of their own"
        )
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def waiting_for(path: Path, what: str) -> Iterator[None]:
    """Hold a lock for a short while, as soon as nobody else does."""
    while (descriptor := take(path, what)) is None:
        time.sleep(PAUSE)
    try:
        yield
    finally:
        os.close(descriptor)
