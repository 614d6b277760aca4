"""Rows whose recorded digests are not those of what they are made from.

`mismatched` in each table's module finds them; a step that makes something of rows calls `refuse` first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Mismatch:
    """A row whose recorded digest is not that of what its id has now; None where there is none."""

    table: str  # path under `results/`
    id: str  # of a video or query
    made_from: str  # what the digest is of: `video`, `audio`, `query text`, ...
    recorded: str | None
    found: str | None
    stage: str  # that makes the table

    def __str__(self) -> str:
        recorded, found = ((one or "none")[:12] for one in (self.recorded, self.found))
        return (
            f"{self.table}: the row of {self.id} was made from another {self.made_from} "
            f"({recorded}, and there is {found})"
        )


def refuse(mismatches: Iterable[Mismatch]) -> None:
    """Raise UserError where there is a mismatch, naming the first."""
    for one in mismatches:
        raise UserError(f"{one}; make it again with `dvc repro -f {one.stage}`")
