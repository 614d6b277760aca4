"""Progress bars that are silent when nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def watched() -> bool:
    """Whether progress should be drawn: standard error is a terminal."""
    return sys.stderr.isatty()


def progress(items: Iterable[T], what: str, total: int | None = None, unit: str = "video") -> Iterator[T]:
    """Iterate with a bar on standard error; a plain pass-through where it is not a terminal."""
    from tqdm import tqdm

    yield from tqdm(items, desc=what, total=total, unit=unit, disable=not watched(), leave=False)
