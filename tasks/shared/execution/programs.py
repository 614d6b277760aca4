"""Running a program in a process group of its own that never outlives its starter, with its output line by line."""

from __future__ import annotations

import codecs
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

SUPERVISOR = Path(__file__).with_name("supervise.py")
GRACE = 6.0  # seconds between being interrupted and being killed
TICK = 0.5  # seconds


class TimeLimitError(Exception):
    """A program ran longer than it may."""


def run(
    command: Sequence[str],
    *,
    root: Path,
    environment: Mapping[str, str],
    line: Callable[[str], None],
    tick: Callable[[], None] = lambda: None,
    limit: float | None = None,
    held: Collection[int] = (),
) -> int:
    """Run a program until all of its process group is gone; its exit code, 128 + n where signal n killed it.

    The group is interrupted, and killed `GRACE` seconds later, when anything is raised here: by `line`, by `tick`, by a
    signal's handler, by the time limit (TimeLimitError). It is also ended when this process is killed.

    `line` is called with every line it prints, on either stream, without its end; of a line that is drawn over with
    carriage returns, with the last state alone; `tick` about twice a second. `held` are file descriptors that stay open
    until the group is gone: locks.
    """
    started = ticked = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", str(SUPERVISOR), str(GRACE), *command],
        cwd=root, env=dict(environment), pass_fds=tuple(held), start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        for text in _lines(process.stdout.fileno()):
            if text is not None:
                line(text)
            now = time.monotonic()
            if now - ticked < TICK:
                continue
            ticked = now
            tick()
            if limit is not None and now - started > limit:
                raise TimeLimitError(f"it ran longer than {limit / 60:g} minutes")
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()
    return process.returncode


def _lines(output: int) -> Iterator[str | None]:
    """Lines as they come, and None where a tick passes without one, until the supervisor has closed its output."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    while True:
        if not select.select([output], [], [], TICK)[0]:
            yield None
            continue
        chunk = os.read(output, 1 << 16)
        *whole, rest = (rest + decoder.decode(chunk, final=not chunk)).split("\n")
        for text in whole:
            yield _last_state(text)
        if not chunk:
            if rest:
                yield _last_state(rest)
            return


def _last_state(text: str) -> str:
    return re.split(r"\r(?!$)", text)[-1].rstrip("\r")
