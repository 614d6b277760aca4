"""What a stage published in A and in B, file by file, those of large folders included."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.audit.diff.change import Change, changes
from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.parquet import read_parquet

NAMED = 50  # files of a stage that are named; all are counted


@dataclass(frozen=True)
class Files:
    """A stage's files in A and in B.

    Attributes:
        named: the first of those that differ, with sha256 of both; files outside large folders come first.
        note: what could not be told, and why.
    """

    equal: int
    added: int
    removed: int
    changed: int
    named: list[Change]
    note: str | None = None

    @property
    def differ(self) -> bool:
        """Whether any file differs."""
        return bool(self.added or self.removed or self.changed)

    @property
    def same(self) -> bool:
        """Whether all files are known to be the same bytes."""
        return not self.differ and self.note is None


def files(pair: Pair, stage: str) -> Files:
    """The files of a stage that both states have.

    What identifies an index, whose own files are not listed, is a file too. An older manifest names every file, a
    newer one may list those of large folders beside it: files are compared, whoever names them.
    """
    a, b = pair.a.executions[stage], pair.b.executions[stage]
    of_a, of_b = ({path: one.sha256 for path, one in manifest.generated.items()} for manifest in (a, b))
    listing = (RESULTS / stage / FILES).as_posix()
    found = changes(of_a, of_b)
    equal = sum(of_b.get(path) == digest for path, digest in of_a.items())
    note = None
    if of_a.get(listing) == of_b.get(listing):
        equal += sum(one["files"] for one in a.folders.values())
    else:
        try:
            many_a, many_b = pair.each(lambda lineage: _listed(lineage, listing))
            inside = [one for one in changes(of_a | many_a, of_b | many_b) if one.key != listing]
            equal = len({*of_a, *many_a, *of_b, *many_b} - {listing}) - len(inside)
            found = sorted(inside, key=lambda one: (one.key in many_a or one.key in many_b, one.key))
        except UserError as error:
            note = f"files of large folders are not compared: {error}"
    by = [one.how for one in found]
    return Files(equal, by.count("added"), by.count("removed"), by.count("changed"), found[:NAMED], note)


def _listed(lineage: Lineage, listing: str) -> dict[str, str]:
    if listing not in lineage.executions[Path(listing).parts[1]].generated:
        return {}
    table = read_parquet(lineage.need(listing), FILES_SCHEMA)
    return dict(zip(table.column("path").to_pylist(), table.column("sha256").to_pylist(), strict=True))
