"""One stage at a time on a GPU, by a lock of the operating system.

The locks lie in the machine's directory for temporary files, one for each GPU, and are shared by its users; processes
whose TMPDIR differs do not meet. GPUs are those that nvidia-smi lists; where there is none, nothing is locked.

To ask CUDA anything fixes which GPUs a process sees, so nobody may before a GPU is taken: whether there is one is told
by `visible_gpus`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tasks.shared.errors import UserError
from tasks.shared.workspace.locks import holder_of, take

VISIBLE = "CUDA_VISIBLE_DEVICES"
LIST = ("nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader")
LIST_SECONDS = 60.0  # a driver that is not kept loaded takes several
LOOK = 0.5  # seconds between two looks at GPUs that others hold
SHARED = 0o666  # a lock's mode: any user of the machine may hold it

_held: set[int] = set()


def _let_go() -> None:
    """A forked child must not keep the locks of its parent when that one dies; programs it starts never get them."""
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_let_go)


def visible_gpus() -> list[str]:
    """UUIDs of the GPUs that this process may use, in order: all, or those that CUDA_VISIBLE_DEVICES names.

    It names them by index in nvidia-smi's order or by UUID, of a GPU (or the beginning of one) or of a MIG instance; as
    with CUDA, what follows a name that is none is not seen.
    """
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
def one_gpu(what: str) -> Iterator[None]:
    """Hold the first GPU that is free, alone visible to CUDA, until the block is left; wait where all are held.

    Without a GPU it does nothing. A holder's death, however it came, frees its GPU at once.

    Args:
        what: who takes it; for the one line on standard error that says who is waited for, and for others' lines.

    Raises UserError where a lock's file is not one.
    """
    gpus = visible_gpus()
    if not gpus:
        yield
        return
    named = os.environ.get(VISIBLE)
    gpu, descriptor = _first_free(gpus, what)
    _held.add(descriptor)
    os.environ[VISIBLE] = gpu
    try:
        yield
    finally:
        if named is None:
            del os.environ[VISIBLE]
        else:
            os.environ[VISIBLE] = named
        _held.discard(descriptor)
        os.close(descriptor)


def _first_free(gpus: Sequence[str], what: str) -> tuple[str, int]:
    said = False
    while True:
        for gpu in gpus:
            if (descriptor := _take(gpu, what)) is not None:
                return gpu, descriptor
        if not said:
            print(f"{what}: waits for {', or '.join(_who(gpu) for gpu in gpus)}", file=sys.stderr, flush=True)
            said = True
        time.sleep(LOOK)


def _take(gpu: str, what: str) -> int | None:
    path = lock_of(gpu)
    try:
        return take(path, f"{what} in {Path.cwd()}", SHARED)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"the lock {path} cannot be opened ({reason}); remove it, or have it removed") from None


def _who(gpu: str) -> str:
    """A GPU and its holder, without the control characters that another user could have put in the note."""
    said = str(holder_of(lock_of(gpu)) or "a process that does not say which")
    return f"GPU {gpu[:12]}…, held by {''.join(one if one.isprintable() else '?' for one in said)}"


def lock_of(gpu: str) -> Path:
    """The file that is locked by who holds a GPU."""
    return Path(tempfile.gettempdir()) / f"reeltrace-{gpu.replace('/', '_')}.lock"
