"""A comparison as people read it: the sentence, then tables; long ones are cut to `--top` rows, and say so."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.audit.change import Change, changes
from tasks.audit.diff.answer import Difference, compare
from tasks.audit.diff.effect import EffectDifference
from tasks.audit.diff.pair import Files, Pair
from tasks.audit.diff.stages import StageDifference, causes, value
from tasks.audit.diff.tables import Rowwise
from tasks.audit.text import Table, as_json, short, shortened, show, table
from tasks.lineage.score import state
from tasks.shared.artifacts.scores import HEADLINE

TEXT = 40  # characters of a query
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
    columns = ["", "state", "commit", "MLflow runs of evaluate", "files changed since"]
    rows = [
        (name, one["state"], short(one["commit"]), *(", ".join(one[what]) or None for what in ("runs", "dirty")))
        for name, one in sides.items()
    ]
    show(found.headline, table("", columns, rows))
    show(f"note on {name}: {note}" for name, one in sides.items() for note in one["notes"])
    show(f"not compared: {what}: {why}" for what, why in found.unknown.items())
    if found.identical:
        return
    show(f"The same bytes: {'; '.join(found.same)}." if found.same else None)
    show(_rows("Stages", map(_stage, found.stages)))
    for kind in DIFFERS:
        differs = [(one.stage, each) for one in found.stages for each in one.differs.get(kind, [])]
        show(_changes(kind.capitalize(), differs, top))
    show(_tables(found.tables, top))
    show(f"note: {caveat}." for caveat in found.caveats)
    show(_effect(found.effect, top) if found.effect else None)
    show(f"{one.stage}: {one.outputs.note}" for one in found.stages if one.outputs and one.outputs.note)
    files = [(one.stage, each) for one in found.stages if one.outputs for each in one.outputs.named]
    show(_changes("Files that differ", files, top))


def _rows(title: str, found: Iterable[Mapping[str, Any]], top: int | None = None) -> Table | None:
    """A table of the first rows, which says of how many, without columns that are empty; None without a row."""
    rows = list(found)
    columns = [name for name in (rows[0] if rows else ()) if any(row[name] is not None for row in rows)]
    right = [name for name in columns if any(isinstance(row[name], int | float) for row in rows)]
    cells = [[shortened(row[name] or "-", TEXT) if name == "text" else row[name] for name in columns] for row in rows]
    title = title if top is None or len(rows) <= top else f"{title}, the first {top} of {len(rows)}"
    return table(title, columns, cells[:top], right) if rows else None


def _stage(one: StageDifference) -> dict[str, Any]:
    own = causes(one) if one.differs else ""
    if one.inherits:
        own = f"from {', '.join(one.inherits)}" + (f"; and its own {own}" if own else "")
    manifests = {f"manifest {side}": short(one.results.get(side, {}).get("manifest")) for side in "AB"}
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
    rows = ({"": key, "A": a, "B": b, "stages": ", ".join(names)} for (key, a, b), names in stages.items())
    return _rows(title, rows, top)


def _tables(tables: Mapping[str, Rowwise], top: int) -> Iterator[Table | None]:
    """How many rows differ, what became of negatives, and the rows themselves: of those that both have by field."""
    rows: list[dict[str, Any]] = []
    for name, of in tables.items():
        counts = {how: sum(one.how == how for one in of.differ) for how in ("added", "removed", "changed")}
        rows.append({"table": name, "equal": of.equal, **counts})
    yield _rows("Tables that differ, by rows", rows)
    mined = tables["negatives"].differ if "negatives" in tables else []
    outcomes = Counter(tuple(row["outcome"] if row else "not taken" for row in (one.a, one.b)) for one in mined)
    rows = [{"in A": a, "in B": b, "videos of queries": count} for (a, b), count in outcomes.most_common() if a != b]
    yield _rows("What mining did with videos", rows)
    for name, of in tables.items():
        rows = []
        for item in of.differ:
            fields = changes(item.a, item.b) if item.how == "changed" else []
            whole = Change(item.how, item.how, item.a, item.b)
            rows += [
                {"row": item.key, "": one.key, "A": value(one, "a"), "B": value(one, "b")} for one in fields or [whole]
            ]
        yield _rows(name.capitalize(), rows, top)


def _effect(found: EffectDifference, top: int) -> Iterator[Table | None]:
    """Means, paired tests, the queries that moved, and slices."""
    final = found.paired[0].of
    yield _rows("Means", found.means)
    settings = ", ".join(f"{count} {name}" for name, count in found.settings.items())
    title = f"{HEADLINE} over the common queries, paired ({settings}), and of {final} by type and language"
    yield _rows(title, map(vars, found.paired))
    for word, sign in (("gained", 1), ("lost", -1)):
        moves = [vars(one) for one in found.moves if one.difference * sign > 0]
        yield _rows(f"Queries of {final} that {word} most", moves, top)
