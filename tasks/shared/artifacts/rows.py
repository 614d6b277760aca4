"""Rows whose recorded digests are not those of what they are made from.

A row of an item table has the digests of what it was made from. `mismatched` in each table's module compares them with
what the same id has in the other tables; a step that makes something of rows calls `refuse` first.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Mismatch:
    """A row whose recorded digest is not that of what its id has now.

    Attributes:
        table: path of the table under `results/`.
        id: the row's video or query.
        made_from: what the digest is of: `video`, `audio`, `query text`, ...
        recorded: the row's digest; None where it has none.
        found: the digest of what is there; None where there is nothing.
        stage: that makes the table.
    """

    table: str
    id: str
    made_from: str
    recorded: str | None
    found: str | None
    stage: str

    def __str__(self) -> str:
        return (
            f"{self.table}: the row of {self.id} was made from another {self.made_from} "
            f"({_short(self.recorded)}, and there is {_short(self.found)})"
        )


def _short(digest: str | None) -> str:
    return digest[:12] if digest else "none"


def refuse(mismatches: Iterable[Mismatch]) -> None:
    """Raise UserError where there is a mismatch, naming the first."""
    for one in mismatches:
        raise UserError(f"{one}; make it again with `dvc repro -f {one.stage}`")
