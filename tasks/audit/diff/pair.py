"""The two states that are compared, and what of them can be laid side by side."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Pair:
    """State A and state B. B is the later one, so far as a comparison has a direction."""

    a: Lineage
    b: Lineage

    @property
    def stages(self) -> list[str]:
        """The stages of both, in the order of B's dvc.yaml; those that only A has follow."""
        return [*self.b.stages, *(stage for stage in self.a.stages if stage not in self.b.stages)]

    def each(self, get: Callable[[Lineage], T]) -> tuple[T, T]:
        """The same of A and of B. A UserError says of which side it is."""
        found = []
        for side, lineage in (("A", self.a), ("B", self.b)):
            try:
                found.append(get(lineage))
            except UserError as error:
                raise UserError(f"{side}: {error}") from None
        return found[0], found[1]

    def same(self, path: Path) -> bool:
        """Whether an output is recorded with equal digests in both. Raises UserError where the stage is missing."""

        def digest(lineage: Lineage) -> str | None:
            entry = lineage.execution(_stage(path)).generated.get(path.as_posix())
            return entry.sha256 if entry else None

        a, b = self.each(digest)
        return a is not None and a == b

    def read(self, path: Path, reader: Callable[[Path], T]) -> tuple[T, T]:
        """What a reader makes of an output of A and of B; it is given the file's path.

        Raises UserError where the stage or the file is missing, and what the reader raises.
        """

        def read(lineage: Lineage) -> T:
            lineage.execution(_stage(path))
            return reader(lineage.need(path))

        return self.each(read)


def _stage(path: Path) -> str:
    return path.relative_to(RESULTS).parts[0]
