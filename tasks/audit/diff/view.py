"""A comparison as people read it: the sentence, then tables; long ones are cut to `--top` rows, and say so."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from tasks.audit.diff.answer import Difference, compare
from tasks.audit.diff.effect import EffectDifference
from tasks.audit.diff.pair import Change, Files, Pair, changes
from tasks.audit.diff.stages import StageDifference, causes, value
from tasks.audit.diff.tables import Rowwise
from tasks.audit.rows import rows
from tasks.audit.text import Table, as_json, short, show
from tasks.lineage.score import state
from tasks.shared.artifacts.scores import HEADLINE

KINDS = {"parts": "PARTS", "same result": "parts, same result", "inherited": "inherits", "unknown": "not compared"}
DIFFERS = ("params", "code", "components", "inputs", "environment")  # in the order of their tables


def answer(chosen: argparse.Namespace) -> int:
    """Print the comparison; 0 where it could be made."""
    found = compare((chosen.a, chosen.b), Pair(state(chosen.a), state(chosen.b)))
    print(as_json(found)) if chosen.json else show_difference(found, chosen.top)
    return 0


def show_difference(found: Difference, top: int) -> None:
    """Print the sentence and the tables."""
    sides = {"A": found.a, "B": found.b}
    told = {"state": "state", "commit": "commit", "runs": "MLflow runs of evaluate", "dirty": "files changed since"}
    states = [
        {"": name} | {title: one[what] for what, title in told.items()} | {"commit": short(one["commit"])}
        for name, one in sides.items()
    ]
    show(found.headline, rows("", states))
    show(f"note on {name}: {note}" for name, one in sides.items() for note in one["notes"])
    show(f"not compared: {what}: {why}" for what, why in found.unknown.items())
    if found.identical:
        return
    show(f"The same bytes: {'; '.join(found.same)}." if found.same else None)
    show(rows("Stages", map(_stage, found.stages), None))
    for kind in DIFFERS:
        differs = [(one.stage, each) for one in found.stages for each in one.differs.get(kind, [])]
        show(_changes(kind.capitalize(), differs, top))
    show(_tables(found.tables, top))
    show(f"note: {caveat}." for caveat in found.caveats)
    show(_effect(found.effect, top) if found.effect else None)
    show(f"{one.stage}: {one.outputs.note}" for one in found.stages if one.outputs and one.outputs.note)
    files = [(one.stage, each) for one in found.stages if one.outputs for each in one.outputs.named]
    show(_changes("Files that differ", files, top))


def _stage(one: StageDifference) -> dict[str, Any]:
    own = causes(one) if one.differs else ""
    if one.inherits:
        own = f"from {', '.join(one.inherits)}" + (f"; and its own {own}" if own else "")
    manifests = {f"manifest {side}": one.results.get(side, {}).get("manifest") for side in "AB"}
    row = {"stage": one.stage, "": KINDS.get(one.kind, one.kind), **manifests}
    return row | {"outputs": _files(one.outputs) if one.outputs else "", "why": own}


def _files(found: Files) -> str:
    if not found.named:
        return "same bytes" if found.same else "see note"
    counts = ((getattr(found, how), how) for how in ("changed", "added", "removed", "equal"))
    return ", ".join(f"{count} {how}" for count, how in counts if count)


def _changes(title: str, found: Iterable[tuple[str, Change]], top: int) -> Table | None:
    """One row a change, with all the stages that have it."""
    stages: dict[tuple[str, str, str], list[str]] = {}
    for stage, one in found:
        stages.setdefault((one.key, value(one, "a"), value(one, "b")), []).append(stage)
    return rows(title, [{"": key, "A": a, "B": b, "stages": names} for (key, a, b), names in stages.items()], top)


def _tables(tables: Mapping[str, Rowwise], top: int) -> Iterator[Table | None]:
    """How many rows differ, what became of negatives, and the rows themselves: of those that both have by field."""
    none = {"added": 0, "removed": 0, "changed": 0}
    counts = [
        {"table": name, "equal": of.equal} | none | Counter(one.how for one in of.differ) for name, of in tables.items()
    ]
    yield rows("Tables that differ, by rows", counts, None)
    mined = tables["negatives"].differ if "negatives" in tables else []
    outcomes = Counter(tuple(row["outcome"] if row else "not taken" for row in (one.a, one.b)) for one in mined)
    moved = [{"in A": a, "in B": b, "videos of queries": count} for (a, b), count in outcomes.most_common() if a != b]
    yield rows("What mining did with videos", moved, None)
    for name, of in tables.items():
        differ = [
            {"row": item.key, "": one.key, "A": value(one, "a"), "B": value(one, "b")}
            for item in of.differ
            for one in (changes(item.a, item.b) if item.how == "changed" else [replace(item, key=item.how)])
        ]
        yield rows(name.capitalize(), differ, top)


def _effect(found: EffectDifference, top: int) -> Iterator[Table | None]:
    """Means, paired tests, the queries that moved, and slices."""
    final = found.paired[0].of
    yield rows("Means", found.means, None)
    settings = ", ".join(f"{count} {name}" for name, count in found.settings.items())
    title = f"{HEADLINE} over the common queries, paired ({settings}), and of {final} by type and language"
    yield rows(title, found.paired, None)
    for word, sign in (("gained", 1), ("lost", -1)):
        moves = [one for one in found.moves if one["difference"] * sign > 0]
        yield rows(f"Queries of {final} that {word} most", moves, top)
