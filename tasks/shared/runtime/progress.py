"""Progress of loops: a bar on a terminal, and a small file for the program that started the stage.

REELTRACE_PROGRESS in the environment names the file, a new one for every stage: `{"done": 12, "total": 104, "unit":
"video", "what": "extract"}`, replaced as a whole. It is written at a loop's start and end, and in between at most once
a second. Of nested loops only the outermost writes it, and worker processes never do.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Never, TypeVar

from tasks.shared.runtime.files import write_text

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

PLACE = "REELTRACE_PROGRESS"
PAUSE = 1.0  # seconds


@dataclass(frozen=True)
class Progress:
    """How far a loop is: what it does, `done` of `total` (None where that is unknown), and of what unit."""

    what: str
    done: int
    total: int | None
    unit: str


def read_progress(path: Path) -> Progress | None:
    """The progress that a running stage wrote; None where it has written none yet, or the file is something else."""
    try:
        found = Progress(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    numbers = isinstance(found.done, int) and isinstance(found.total, int | None)
    return found if numbers and isinstance(found.what, str) and isinstance(found.unit, str) else None


def watched() -> bool:
    """Whether progress should be drawn: standard error is a terminal, and this is no worker process and no rank of a
    training but the first."""
    alone = multiprocessing.parent_process() is None and os.environ.get("RANK", "0") == "0"
    return alone and sys.stderr.isatty()


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "video") -> Iterator[T]:
    """Iterate, and show how far it is; an item counts when the next one is asked for. `total` is the number of items
    where they have no length."""
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Bar(what, total, unit) as bar:
        for done, item in enumerate(items, start=1):
            yield item
            bar.to(done)


class Bar:
    """The progress of a loop that does not iterate over its items, until the block is left. Where the file cannot be
    written, one line says so and the work goes on."""

    _writer: ClassVar[Bar | None] = None
    _unwritable: ClassVar[str | None] = None  # the file that could not be written

    def __init__(self, what: str, total: int | None = None, unit: str = "video", done: int = 0) -> None:
        self._what, self._total, self._unit, self._done = what, total, unit, done
        self._written = 0.0
        self._drawn: tqdm[Never] | None = None

    def __enter__(self) -> Bar:
        if watched():
            from tqdm import tqdm

            total, unit = self._total, self._unit
            self._drawn = tqdm(desc=self._what, initial=self._done, total=total, unit=unit, leave=False)
        if Bar._writer is None and multiprocessing.parent_process() is None:
            Bar._writer = self
            self._write()
        return self

    def to(self, done: int) -> None:
        """Report how many are done."""
        if self._drawn is not None:
            self._drawn.update(done - self._done)
        self._done = done
        if time.monotonic() - self._written >= PAUSE:
            self._write()

    def __exit__(self, *_: object) -> None:
        if self._drawn is not None:
            self._drawn.close()
        self._write()
        if Bar._writer is self:
            Bar._writer = None

    def _write(self) -> None:
        place = os.environ.get(PLACE)
        if Bar._writer is not self or not place or place == Bar._unwritable:
            return
        self._written = time.monotonic()
        now = Progress(self._what, self._done, self._total, self._unit)
        try:
            write_text(Path(place), json.dumps(asdict(now), sort_keys=True) + "\n")
        except OSError as error:
            Bar._unwritable = place
            reason = error.strerror or error
            print(f"{PLACE}: {place} cannot be written ({reason}); going on without it", file=sys.stderr)
