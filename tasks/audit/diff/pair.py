"""Two states side by side: what is different between mappings, and between a stage's files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from tasks.audit.recorded import listing_of, recorded_outputs
from tasks.lineage.lineage import Lineage
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")
How = Literal["added", "removed", "changed"]  # from A to B
NAMED = 50  # files of a stage that are named; all are counted


@dataclass(frozen=True)
class Change:
    """What is under a key in A and in B; None on the side that lacks the key, which `how` tells from a null."""

    key: str
    how: How
    a: Any
    b: Any


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[Change]:
    """Keys that only one side has, or that have different values, sorted."""
    return [
        Change(key, "removed" if key not in b else "added" if key not in a else "changed", a.get(key), b.get(key))
        for key in sorted({*a, *b})
        if key not in a or key not in b or a[key] != b[key]
    ]


@dataclass(frozen=True)
class Pair:
    """State A and state B. B is the later one, so far as a comparison has a direction."""

    a: Lineage
    b: Lineage

    def each(self, get: Callable[[Lineage], T]) -> tuple[T, T]:
        """The same of A and of B. A UserError says of which side it is."""

        def of(side: str, lineage: Lineage) -> T:
            try:
                return get(lineage)
            except UserError as error:
                raise UserError(f"{side}: {error}") from None

        return of("A", self.a), of("B", self.b)

    def same(self, path: Path) -> bool:
        """Whether an output is recorded with equal digests in both. Raises UserError where one has not recorded it."""

        def digest(lineage: Lineage) -> str:
            if found := lineage.execution(path.parts[1]).digest_of(path):
                return found
            raise UserError(f"{lineage.name} recorded no {path}")

        a, b = self.each(digest)
        return a == b


@dataclass(frozen=True)
class Files:
    """A stage's files in A and in B, counted."""

    equal: int
    added: int
    removed: int
    changed: int
    named: list[Change]  # the first of those that differ, by sha256
    note: str | None = None  # what could not be compared, and why

    @property
    def same(self) -> bool:
        """Whether all files are known to be the same bytes."""
        return not self.named and self.note is None


def compare_files(pair: Pair, stage: str) -> Files:
    """The files of a stage that both states have, large folders too; the content manifest stands for an index."""
    a, b = pair.each(lambda lineage: lineage.execution(stage))
    of_a, of_b = ({path: one.sha256 for path, one in each.generated.items()} for each in (a, b))
    listing, beyond, note = listing_of(stage), 0, None
    if of_a.get(listing) == of_b.get(listing):
        beyond = sum(one["files"] for one in a.folders.values())
    else:
        try:
            of_a, of_b = pair.each(lambda lineage: recorded_outputs(lineage, stage))
            for side in (of_a, of_b):
                side.pop(listing, None)
        except UserError as error:
            note = f"files of large folders are not compared: {error}"
    found = sorted(changes(of_a, of_b), key=lambda one: one.key.count("/"))  # those of folders last
    how = Counter(one.how for one in found)
    equal = len({*of_a, *of_b}) - len(found) + beyond
    return Files(equal, how["added"], how["removed"], how["changed"], found[:NAMED], note)
