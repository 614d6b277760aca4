"""The answer to `diff A B`: where two states part, what differs, and what that does to the score."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tasks.audit.diff.effect import EffectDifference, effect_difference
from tasks.audit.diff.pair import Pair
from tasks.audit.diff.stages import StageDifference, causes, stage_differences
from tasks.audit.diff.tables import TABLES, Rowwise, table_difference
from tasks.audit.text import shortened
from tasks.lineage.lineage import FINAL, Lineage
from tasks.shared.artifacts import scores
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")
TEST = ("videos", "queries", "judgments, test")  # tables that decide what a score means


@dataclass(frozen=True)
class Difference:
    """Two states, compared."""

    headline: str
    a: dict[str, Any]  # as it was asked for, runs of evaluate, tracked files that differ from its commit, notes
    b: dict[str, Any]
    identical: bool  # every stage has the same manifest in both; nothing below `stages` is filled in
    stages: list[StageDifference]
    parts: list[str] = field(default_factory=list)  # the stages where they part, in the DAG's order
    same: list[str] = field(default_factory=list)  # tables, and the scores, that are the same file in both
    unknown: dict[str, str] = field(default_factory=dict)  # what could not be compared, and why
    tables: dict[str, Rowwise] = field(default_factory=dict)  # those that are another file in A and B
    effect: EffectDifference | None = None  # None where the scores are the same or unknown
    caveats: list[str] = field(default_factory=list)  # why the scores of A and B do not mean the same


def compare(asked: tuple[str, str], pair: Pair) -> Difference:
    """Compare two states. Raises UserError where they have no stage in common that could be."""
    stages = stage_differences(pair)
    if all(one.kind == "unknown" for one in stages):
        raise UserError(f"nothing of {asked[0]} and {asked[1]} can be compared: {stages[0].reason}")
    a, b = _side(asked[0], pair.a), _side(asked[1], pair.b)
    if all(one.kind == "same" for one in stages):
        head = (
            f"identical: every stage of A ({a['state']}) and B ({b['state']}) published the same manifest; "
            "whether the files are still as it says, `reeltrace audit verify` proves."
        )
        return Difference(head, a, b, identical=True, stages=stages)
    same: list[str] = []
    unknown = {f"stage {one.stage}": one.reason for one in stages if one.reason}

    def attempt(what: str, path: Path, compared: Callable[[Pair], T]) -> T | None:
        try:
            if not pair.same(path):
                return compared(pair)
            same.append(what)
        except UserError as error:
            unknown[what] = str(error)
        return None

    def made(path: Path) -> bool:
        """Not so where both ran the stage and neither wrote it: nothing was trained in either."""
        ran = [one.executions.get(path.parts[1]) for one in (pair.a, pair.b)]
        return not all(ran) or any(one.digest_of(path) for one in ran if one)

    tables = {
        name: attempt(name, path, partial(table_difference, name=name))
        for name, (path, _) in TABLES.items()
        if made(path)
    }
    differing = {name: one for name, one in tables.items() if one}
    effect = attempt("scores", scores.FOLDER / scores.PER_QUERY, effect_difference)
    head = headline(stages, effect, scored="scores" not in unknown)
    parts = [one.stage for one in stages if one.kind == "parts"]
    caveats = _caveats(differing, effect)
    return Difference(head, a, b, False, stages, parts, same, unknown, differing, effect, caveats)


def headline(stages: Sequence[StageDifference], effect: EffectDifference | None, *, scored: bool) -> str:
    """The sentence that says it all. `scored`: whether scores could be compared; without `effect` they are equal."""
    parting = [f"{one.stage}: {causes(one)}" for one in stages if one.kind == "parts"]
    found = ["they part at " + ", and at ".join(parting)] if parting else []
    if alike := [one.stage for one in stages if one.kind == "same result"]:
        found.append(f"same result, made differently: {', '.join(alike)}")
    inherited = next((one for one in stages if one.kind == "inherited"), None)
    if not found and inherited:
        found.append(f"{inherited.stage} read another {', '.join(inherited.inherits)}")
    if not parting and not alike and (unknown := [one.stage for one in stages if one.kind == "unknown"]):
        found.append(f"{', '.join(unknown)} cannot be compared")
    equal = f"every query scores the same {HEADLINE}" if scored else "the scores cannot be compared"
    return "; ".join([*found, _number(effect) if effect else equal]) + "."


def _number(effect: EffectDifference) -> str:
    one = effect.paired[0]
    start = f"{one.of} {HEADLINE} {one.a:.4f} -> {one.b:.4f}"
    if one.p is None:
        return f"{start}, equal on all {one.queries} queries"
    tested = sum(each.p is not None for each in effect.paired)
    p = f"p {one.p:.2g}" if tested == 1 else f"p {one.p:.2g}, {one.p_holm:.2g} by Holm over {tested} systems"
    return f"{start} ({one.difference:+.4f}, 95 % [{one.low:+.4f}, {one.high:+.4f}], {p}, {one.queries} queries)"


def _side(asked: str, lineage: Lineage) -> dict[str, Any]:
    notes = [
        f"{link.reader} read another {link.artifact.path} than {link.maker} has here; `dvc repro` makes them fit"
        for link in lineage.broken()
    ]
    if lineage.tracking.problem:
        notes.append(f"no MLflow runs are listed: {lineage.tracking.problem}")
    runs = [one.run_id for one in lineage.runs_of(FINAL)]
    named = {"asked": asked, "state": lineage.name, "commit": lineage.commit, "runs": runs}
    return {**named, "dirty": lineage.dirty, "notes": notes}


def _caveats(tables: Mapping[str, Rowwise], effect: EffectDifference | None) -> list[str]:
    """Why the test itself is another: what is asked, what counts as right, what is searched, and what was scored."""
    rows = {name: [row for one in tables[name].differ for row in (one.a, one.b)] for name in TEST if name in tables}
    other = [name for name, of in rows.items() if any(row and row.get("split", "test") == "test" for row in of)]
    found = [f"A and B were not scored on the same test: {', '.join(other)} differ"] if other else []
    for side, alone in effect.alone.items() if effect else ():
        if alone:
            names = shortened(", ".join(alone), 100)
            found.append(f"{side} alone scored {names}: the paired numbers leave that out, the plain means do not")
    return found
