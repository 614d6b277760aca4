"""How far a loop is: a bar for who watches the terminal, and a small file for the program that started the stage.

The environment's REELTRACE_PROGRESS names the file, a fresh one for every stage: `{"done": 12, "total": 104, "unit":
"video", "what": "extract"}`, replaced whole. It is told at a loop's start and end, and in between at most once a
second. Of loops in a loop only the outermost tells, and no worker process does.
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
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Never, TypeVar

from tasks.shared.runtime.files import write_text

if TYPE_CHECKING:
    from tqdm import tqdm

T = TypeVar("T")

PLACE = "REELTRACE_PROGRESS"
PAUSE = 1.0  # seconds


@dataclass(frozen=True)
class Progress:
    """How far a loop is: what it does, `done` of `total` (None where nobody knows), and of what unit."""

    what: str
    done: int
    total: int | None
    unit: str


def read_progress(path: Path) -> Progress | None:
    """What a running stage tells in this file; None where it has told nothing yet, or the file is something else."""
    try:
        told = Progress(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
    numbers = isinstance(told.done, int) and isinstance(told.total, int | None)
    return told if numbers and isinstance(told.what, str) and isinstance(told.unit, str) else None


def watched() -> bool:
    """Whether progress should be drawn: standard error is a terminal, and this process is the one to draw on it: of the
    processes that share items the parent, of the ranks of a training the first."""
    alone = multiprocessing.parent_process() is None and os.environ.get("RANK", "0") == "0"
    return alone and sys.stderr.isatty()


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "video") -> Iterator[T]:
    """Iterate, and show how far it is; an item counts when the next one is asked for.

    `total` is the number of items where they do not tell it themselves.
    """
    if total is None and isinstance(items, Sized):
        total = len(items)
    with Bar(what, total, unit) as bar:
        for done, item in enumerate(items, start=1):
            yield item
            bar.to(done)


class Bar:
    """The progress of a loop that is no iteration over items, from where it begins until the block is left.

    Where the file cannot be written it is said once, and the work goes on.
    """

    _telling: ClassVar[Bar | None] = None
    _silent: ClassVar[str | None] = None  # the file that could not be written

    def __init__(self, what: str, total: int | None = None, unit: str = "video", done: int = 0) -> None:
        self._what, self._total, self._unit, self._done = what, total, unit, done
        self._told = 0.0
        self._drawn: tqdm[Never] | None = None

    def __enter__(self) -> Bar:
        if watched():
            from tqdm import tqdm

            self._drawn = tqdm(
                desc=self._what, initial=self._done, total=self._total, unit=self._unit, leave=False
            )  # fmt: skip
        if Bar._telling is None and multiprocessing.parent_process() is None:
            Bar._telling = self
            self._tell()
        return self

    def to(self, done: int) -> None:
        """So many are done by now."""
        if self._drawn is not None:
            self._drawn.update(done - self._done)
        self._done = done
        if time.monotonic() - self._told >= PAUSE:
            self._tell()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._drawn is not None:
            self._drawn.close()
        self._tell()
        if Bar._telling is self:
            Bar._telling = None

    def _tell(self) -> None:
        place = os.environ.get(PLACE)
        if Bar._telling is not self or not place or place == Bar._silent:
            return
        self._told = time.monotonic()
        told = Progress(self._what, self._done, self._total, self._unit)
        try:
            write_text(Path(place), json.dumps(asdict(told), sort_keys=True) + "\n")
        except OSError as error:
            Bar._silent = place
            print(
                f"{PLACE}: {place} cannot be written ({error.strerror or error}); going on without it", file=sys.stderr
            )
