"""A comparison as people read it: the sentence, then tables; long ones are cut to `--top` rows, and say so."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tasks.audit.change import Change
from tasks.audit.diff.answer import Difference, causes, compare, value
from tasks.audit.diff.data import DataDifference
from tasks.audit.diff.effect import EffectDifference
from tasks.audit.diff.negatives import NegativesDifference, QueryNegatives
from tasks.audit.diff.pair import Files, Pair
from tasks.audit.diff.stages import StageDifference
from tasks.audit.diff.training import LAST, TRAIN, CheckpointDifference, ExposureDifference
from tasks.audit.text import Table, as_json, plain, short, shortened, show, table
from tasks.lineage.score import state
from tasks.shared.artifacts.scores import HEADLINE, MEASURES

WIDTH = 70  # characters of a value
TEXT = 40  # characters of a query
WORDS = {"same": "same", "parts": "PARTS", "inherited": "inherits", "unknown": "not compared"}


def answer(chosen: argparse.Namespace) -> int:
    """Print the comparison; 0 where it could be made."""
    found = compare((chosen.a, chosen.b), Pair(state(chosen.a), state(chosen.b)))
    print(as_json(found)) if chosen.json else show_difference(found, chosen.top)
    return 0


def show_difference(found: Difference, top: int) -> None:
    """Print the sentence and the tables."""
    sides = {"A": found.a, "B": found.b}
    rows = [
        (name, one.name, short(one.commit), _dirty(one.dirty), short(one.manifest), ", ".join(one.runs) or None)
        for name, one in sides.items()
    ]
    columns = ["", "state", "commit", "changed files", "evaluate manifest", "MLflow runs of evaluate"]
    show(found.headline, table("", columns, rows))
    show(f"note on {name}: {note}" for name, one in sides.items() for note in one.notes)
    show(f"not compared: {one}" for one in found.unknown or [])
    if found.identical:
        return
    show(_stages(found.stages), _own(found.stages, top))
    show(_data(found.data, top) if found.data else None)
    show(_negatives(found.negatives, top) if found.negatives else None)
    show(_exposures(found.exposures) if found.exposures else None)
    show(_checkpoint(found.checkpoint) if found.checkpoint else None)
    show(f"mind: {caveat}." for caveat in found.caveats or [])
    show(_effect(found.effect, top) if found.effect else None)
    show(f"{one.stage}: {one.outputs.note}" for one in found.stages if one.outputs and one.outputs.note)
    differing = [(one.stage, each) for one in found.stages if one.outputs for each in one.outputs.named]
    show(_shared("Files that differ", "file", differing, top, digest=True))


def _dirty(files: Sequence[str]) -> str:
    return f"{len(files)}: {shortened(', '.join(files), TEXT)}" if files else "none"


def _stages(stages: Sequence[StageDifference]) -> Table:
    rows = []
    for one in stages:
        why = causes(one) if one.kind == "parts" else ""
        if one.kind == "inherited":
            why = f"from {', '.join(one.inherits)}" + (f"; and its own {causes(one)}" if one.own else "")
        word = "parts, same result" if one.kind == "parts" and one.same_result else WORDS[one.kind]
        manifests = [short(side["manifest"]) if side else None for side in (one.a, one.b)]
        rows.append((one.stage, word, *manifests, _files(one.outputs), why))
    return table("Stages", ["stage", "", "manifest A", "manifest B", "outputs", "why"], rows)


def _files(found: Files | None) -> str:
    if found is None:
        return ""
    if not found.differ:
        return "same bytes" if found.same else "see note"
    counts = {"changed": found.changed, "added": found.added, "removed": found.removed, "equal": found.equal}
    return ", ".join(f"{count} {how}" for how, count in counts.items() if count)


def _own(stages: Sequence[StageDifference], top: int) -> Iterable[Table | None]:
    rows = [(one.stage, each.key, value(each, "a"), value(each, "b")) for one in stages for each in one.params]
    yield table("Params", ["stage", "param", "A", "B"], rows) if rows else None
    for title, what, name in (
        ("Code", "file", "code"),
        ("Versions", "package", "components"),
        ("External inputs", "file", "external"),
        ("Environment, as MLflow's runs have it", "tag", "environment"),
    ):
        found = [(one.stage, each) for one in stages for each in getattr(one, name)]
        yield _shared(title, what, found, top, digest=what == "file")


def _shared(
    title: str, what: str, found: Sequence[tuple[str, Change]], top: int, *, digest: bool = False
) -> Table | None:
    """One row a change, with all the stages that have it."""
    stages: dict[tuple[str, str, str], list[str]] = {}
    for stage, one in found:
        a, b = (short(side) if digest else _value(side) for side in (one.a, one.b))
        stages.setdefault((one.key, a, b), []).append(stage)
    rows = [(*change, ", ".join(names)) for change, names in list(stages.items())[:top]]
    return table(_cut(title, len(stages), top), [what, "A", "B", "stages"], rows) if rows else None


def _value(found: object) -> str:
    return shortened(plain(", ".join(map(str, found)) if isinstance(found, list) else found), WIDTH)


def _data(found: DataDifference, top: int) -> Iterable[Table | str]:
    tables = found.tables()
    if all(one is not None and one.same_bytes for one in tables.values()):
        yield "Data: videos, queries, judgments, media and transcripts are the same bytes."
        return
    rows: list[tuple[Any, ...]] = []
    for name, one in tables.items():
        if one is None or one.same_bytes:
            rows.append((name, "same bytes" if one else "not compared", "", "", ""))
        else:
            rows.append((name, one.equal, len(one.added), len(one.removed), len(one.changed)))
    counted = ["equal", "added", "removed", "changed"]
    yield table("Data", ["table", *counted], rows, right=counted)
    for name, one in tables.items():
        if one and one.differ:
            changed = [
                (item, each.key, _value(each.a), _value(each.b)) for item, of in one.changed.items() for each in of
            ]
            alone = [(item, how, "", "") for how in ("added", "removed") for item in getattr(one, how)]
            rows = [*changed, *alone]
            yield table(_cut(name.capitalize(), len(rows), top), ["item", "", "A", "B"], rows[:top])


def _negatives(found: NegativesDifference, top: int) -> Iterable[Table | str]:
    if found.same_bytes:
        yield "Negatives: the same bytes."
        return
    lost, gained = (
        f" ({', '.join(f'{count} {name}' for name, count in by.items())})" if by else ""
        for by in (found.lost_to, found.gained_from)
    )
    yield (
        f"Negatives: of {found.queries} queries {found.affected} are affected; {found.kept} negatives kept, "
        f"{found.lost} lost{lost}, {found.gained} gained{gained}; {found.rescored} of those kept have another rank or "
        f"score; {found.positives_changed} queries have other positives."
    )
    yield from (f"Dropped for reason {reason}: {a} -> {b} ({b - a:+d})." for reason, (a, b) in found.drops.items())
    for side, only in (("A", found.only_a), ("B", found.only_b)):
        if only["queries"]:
            yield f"Mined in {side} only: {only['queries']} queries with {only['negatives']} negatives."
    moved = [one for one in found.by_query if one.moves or one.other_positives]
    if moved:
        columns = ["query", "lost", "rank", "score", "in B", "gained", "rank", "score", "in A"]
        rows = [row for one in moved[:top] for row in _of_query(one)]
        yield table(_cut("Most changed queries", len(moved), top), columns, rows, right=["rank", "score"])


def _of_query(one: QueryNegatives) -> Iterable[Sequence[Any]]:
    """A query's rows: its id and words, what it lost to the left, what it gained to the right."""
    lost, gained = (
        [
            *((each.video_id, each.rank, each.score, each.elsewhere) for each in moved),
            *((video_id, "", "", "(a positive)") for video_id in positives),
        ]
        for moved, positives in ((one.lost, one.positives_removed), (one.gained, one.positives_added))
    )
    names = [one.query_id, *([shortened(one.text, TEXT)] if one.text else [])]
    nothing = ("",) * 4
    for name, left, right in zip_longest(names, lost, gained):
        yield (name or "", *(left or nothing), *(right or nothing))


def _exposures(found: ExposureDifference) -> Iterable[Table | str]:
    if found.same_bytes:
        yield "Exposures: training showed the same videos in the same steps."
    elif not found.roles:
        yield "Exposures: nothing was trained in A or in B."
    else:
        names = ["kept", "lost", "gained", "times_a", "times_b"]
        rows = [(role, *(counts[name] for name in names)) for role, counts in found.roles.items()]
        columns = [*names[:3], "times shown A", "times shown B"]
        yield table("Exposures: pairs of query and video", ["role", *columns], rows, right=columns)
        yield f"{found.other_steps} of the pairs kept were shown in other steps."


def _checkpoint(found: CheckpointDifference) -> Table:
    base = {True: "same bytes", False: "differs", None: "not compared"}[found.base_equal]
    rows: list[Sequence[Any]] = [("base", base, "")]
    if any(not one.trained for one in found.trained):
        rows.append(("trained", *("yes" if one.trained else f"no: {one.reason}" for one in found.trained)))
    elif not found.adapter:
        rows.append(("adapter", "same bytes", ""))
    rows += [(Path(each.key).relative_to(TRAIN).as_posix(), short(each.a), short(each.b)) for each in found.adapter]
    weights = (f"{short(one.checkpoint)} ({one.system})" if one else "not to be had" for one in found.weights)
    rows.append(("weights of the index", *weights))
    for name, key in (("steps", "steps"), ("last loss", "loss"), (f"mean of the last {LAST}", "mean")):
        rows.append((name, *(one[key] if one else None for one in found.curves)))
    return table("Checkpoint", ["", "A", "B"], rows)


def _effect(found: EffectDifference, top: int) -> Iterable[Table]:
    rows: list[Sequence[Any]] = []
    for name, measures in found.means.items():
        means = measures.values()
        if all(one.a == one.b for one in means):
            rows.append((name, "A = B", *(one.a for one in means)))
            continue
        rows.append((name, "A", *(one.a for one in means)))
        rows.append(("", "B", *(one.b for one in means)))
        rows.append(("", "B - A", *(_signed(one.difference) for one in means)))
    yield table("Means", ["system", "", *MEASURES], rows, right=MEASURES)
    rows = []
    for name, one in found.paired.items():
        interval = f"[{', '.join(map(_signed, one.interval))}]"
        counts = (one.queries, one.better, one.worse, one.equal)
        rows.append((name, *counts, one.a, one.b, _signed(one.difference), interval, one.p, one.p_holm))
    settings = ", ".join(f"{count} {name}" for name, count in found.settings.items())
    columns = ["system", "n", "better", "worse", "equal", "A", "B", "B - A", "95 %", "p", "p (Holm)"]
    title = f"{HEADLINE} over the common queries, paired ({settings})"
    yield table(title, columns, rows, right=columns[1:])
    for word, sign in (("gained", 1), ("lost", -1)):
        moves = [one for one in found.moves if one.difference * sign > 0]
        rows = [
            (
                one.query_id, shortened(one.text or "-", TEXT), one.type, one.language, one.a, one.b,
                _signed(one.difference), f"{one.rank_a or 'none'} -> {one.rank_b or 'none'}",
            )
            for one in moves[:top]
        ]  # fmt: skip
        columns = ["query", "text", "type", "language", "A", "B", "B - A", "first relevant at rank"]
        title = f"Queries of {found.final} that {word} most: {len(rows)} of {len(moves)}"
        yield from [table(title, columns, rows, right=columns[4:])] if rows else []
    for facet, parts in found.slices.items():
        rows = [(name, part.queries, part.a, part.b, _signed(part.difference)) for name, part in parts.items()]
        columns = [facet.replace("_", " "), "n", "A", "B", "B - A"]
        yield table(f"{found.final} {HEADLINE} by {columns[0]}", columns, rows, right=columns[1:])


def _signed(value: float) -> str:
    return f"{value:+.4f}"


def _cut(title: str, count: int, top: int) -> str:
    return title if count <= top else f"{title}, the first {top} of {count}"
