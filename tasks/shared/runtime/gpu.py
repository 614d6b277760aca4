"""One stage at a time on a GPU, by locks of the operating system.

The locks are files in the machine's directory for temporary files, one for each GPU, shared by all users. Processes
with another TMPDIR do not see them. GPUs are those that nvidia-smi lists; where there is none, nothing is locked.

The first call to CUDA fixes which GPUs a process sees, so no code may call CUDA before a GPU is taken; `visible_gpus`
says whether there is one without calling it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import holder_of, take

VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
LIST_SECONDS = 60.0  # a driver that is not kept loaded takes several
TRY_SECONDS = 0.5  # between two tries to take a GPU that others hold
SHARED = 0o666  # a lock's mode: any user of the machine may hold it

TURN = "several"  # the lock held while a stage takes several GPUs, so that no two stages wait for each other's

_held: set[int] = set()


def _close_locks() -> None:
    """Close them in a forked child, which else kept its parent's locks; programs that it starts never inherit them."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_close_locks)


def visible_gpus() -> list[str]:
    """UUIDs of the GPUs that this process may use, in order: all, or those that CUDA_VISIBLE_DEVICES names. It names
    them by index in nvidia-smi's order, by the UUID of a GPU (or its beginning), or by that of a MIG instance. As in
    CUDA, an invalid name ends the list: what follows it is not visible."""
    try:
        listed = subprocess.run(LIST, capture_output=True, text=True, check=False, timeout=LIST_SECONDS).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    there = [line.strip() for line in listed.splitlines() if line.startswith("GPU-")]
    named = os.environ.get(VISIBLE)
    if named is None or not there:
        return there
    found: list[str] = []
    for name in (one.strip() for one in named.split(",")):
        if name.startswith("MIG-"):
            found.append(name)
        elif name.isdecimal() and int(name) < len(there):
            found.append(there[int(name)])
        elif len(same := [one for one in there if name.startswith("GPU-") and one.startswith(name)]) == 1:
            found += same
        else:
            break
    return list(dict.fromkeys(found))


@contextmanager
def gpus(what: str, count: int = 1) -> Iterator[list[str]]:
    """Hold `count` GPUs until the block is left, and make only these visible to CUDA; wait while others hold too many.

    Yields their UUIDs in the order in which they were visible; none on a machine without a GPU. When the process that
    holds them dies, its GPUs are free at once. `what` is the stage, which is named to others that wait. Raises
    UserError where there are fewer GPUs (but any), and where a lock's file cannot be opened.
    """
    there = visible_gpus()
    if not there:
        yield []
        return
    if len(there) < count:
        raise UserError(
            f"{count} processes want {count} GPUs and {len(there)} can be seen; set {what}.processes to at most "
            f"{len(there)}, or let {VISIBLE} name more"
        )
    named = os.environ.get(VISIBLE)
    with ExitStack() as held:
        with ExitStack() as turn:
            if count > 1:
                _hold_first_free([TURN], what, turn)
            taken: set[str] = set()
            while len(taken) < count:
                taken.add(_hold_first_free([gpu for gpu in there if gpu not in taken], what, held))
        chosen = [gpu for gpu in there if gpu in taken]
        os.environ[VISIBLE] = ",".join(chosen)
        try:
            yield chosen
        finally:
            os.environ.pop(VISIBLE)
            os.environ |= {VISIBLE: named} if named is not None else {}


def _hold_first_free(names: Sequence[str], what: str, until: ExitStack) -> str:
    """The name of the first lock that is free, held until the stack is closed."""
    reported = False
    while True:
        for name in names:
            path = lock_of(name)
            try:
                descriptor = take(path, f"{what} in {Path.cwd()}", SHARED)
            except OSError as error:
                reason = error.strerror or str(error)
                raise UserError(f"the lock {path} cannot be opened ({reason}); remove it, or have it removed") from None
            if descriptor is not None:
                _held.add(descriptor)
                until.callback(_release, descriptor)
                return name
        if not reported:
            print(f"{what}: waits for {', or '.join(_describe(name) for name in names)}", file=sys.stderr, flush=True)
            reported = True
        time.sleep(TRY_SECONDS)


def _release(descriptor: int) -> None:
    _held.discard(descriptor)
    os.close(descriptor)


def _describe(name: str) -> str:
    """A lock and its holder for a message; another user could have put control characters into the note."""
    holder = str(holder_of(lock_of(name)) or "a process that does not say which")
    lock = "its turn to take several GPUs" if name == TURN else f"GPU {name[:12]}…"
    return f"{lock}, held by {''.join(one if one.isprintable() else '?' for one in holder)}"


def lock_of(name: str) -> Path:
    """The lock file of a GPU."""
    return Path(tempfile.gettempdir()) / f"reeltrace-{name.replace('/', '_')}.lock"
