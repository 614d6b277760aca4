"""A comparison as people read it: the sentence, then tables; long ones are cut to `--top` rows, and say so."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.audit.change import Change
from tasks.audit.diff.answer import Difference, compare
from tasks.audit.diff.data import Items
from tasks.audit.diff.effect_view import effect_tables
from tasks.audit.diff.negatives import NegativesDifference, QueryNegatives
from tasks.audit.diff.pair import Files, Pair
from tasks.audit.diff.stages import StageDifference, causes, value
from tasks.audit.diff.training import ExposureDifference
from tasks.audit.text import Table, as_json, plain, short, shortened, show, table
from tasks.lineage.score import state

WIDTH = 70  # characters of a value
TEXT = 40  # characters of a query
SHA256 = 64  # hex digits
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
    show(f"note: {caveat}." for caveat in found.caveats or [])
    show(effect_tables(found.effect, top) if found.effect else None)
    show(f"{one.stage}: {one.outputs.note}" for one in found.stages if one.outputs and one.outputs.note)
    differing = [(one.stage, each) for one in found.stages if one.outputs for each in one.outputs.named]
    show(_shared("Files that differ", "file", differing, top))


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
        yield _shared(title, what, [(one.stage, each) for one in stages for each in getattr(one, name)], top)


def _shared(title: str, what: str, found: Sequence[tuple[str, Change]], top: int) -> Table | None:
    """One row a change, with all the stages that have it; of files the digests."""
    shown = short if what == "file" else _value
    stages: dict[tuple[str, str, str], list[str]] = {}
    for stage, one in found:
        stages.setdefault((one.key, shown(one.a), shown(one.b)), []).append(stage)
    rows = [(*change, ", ".join(names)) for change, names in list(stages.items())[:top]]
    return table(_cut(title, len(stages), top), [what, "A", "B", "stages"], rows) if rows else None


def _value(found: Any) -> str:
    return shortened(plain(", ".join(map(str, found)) if isinstance(found, list) else found), WIDTH)


def _data(tables: Mapping[str, Items | None], top: int) -> Iterable[Table | str]:
    if all(one is not None and one.same_bytes for one in tables.values()):
        yield "Data: videos, queries, judgments, media and transcripts are the same bytes."
        return
    counted = ["equal", "added", "removed", "changed"]
    rows: list[Sequence[Any]] = []
    for name, one in tables.items():
        counts = [one.equal, len(one.added), len(one.removed), len(one.changed)] if one else []
        same = "same bytes" if one and one.same_bytes else "" if one else "not compared"
        rows.append((name, same, *(["", "", "", ""] if same else counts)))
    yield table("Data", ["table", "", *counted], rows, right=counted)
    for name, one in ((name, one) for name, one in tables.items() if one and one.differ):
        rows = [(item, each.key, _value(each.a), _value(each.b)) for item, of in one.changed.items() for each in of]
        rows += [(item, how, "", "") for how in ("added", "removed") for item in getattr(one, how)]
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
        columns = ["query", "", "video", "rank", "score", "in the other state"]
        rows = [row for one in moved[:top] for row in _of_query(one)]
        yield table(_cut("Most changed queries", len(moved), top), columns, rows, right=["rank", "score"])


def _of_query(one: QueryNegatives) -> Iterable[Sequence[Any]]:
    yield (one.query_id, shortened(one.text or "", TEXT), "", "", "", "")
    for how, moved in (("lost", one.lost), ("gained", one.gained)):
        yield from (("", how, each.video_id, each.rank, each.score, each.elsewhere) for each in moved)
    for how, positives in (("positive in A only", one.positives_removed), ("positive in B only", one.positives_added)):
        yield from (("", how, video_id, "", "", "") for video_id in positives)


def _exposures(found: ExposureDifference) -> Iterable[Table | str]:
    if not found.roles:
        yield (
            "Exposures: training showed the same videos in the same steps."
            if found.same_bytes
            else "Exposures: nothing was trained in A or in B."
        )
        return
    columns = ["kept", "lost", "gained", "times shown A", "times shown B"]
    rows = [(role, *counts.values()) for role, counts in found.roles.items()]
    yield table("Exposures: pairs of query and video", ["role", *columns], rows, right=columns)
    yield f"{found.other_steps} of the pairs kept were shown in other steps."


def _checkpoint(found: Mapping[str, Sequence[Any]]) -> Table:
    rows = []
    for name, sides in found.items():
        a, b = (short(one) if isinstance(one, str) and len(one) == SHA256 else one for one in sides)
        rows.append((name, a, b, "same" if sides[0] == sides[1] else "differs"))
    return table("Checkpoint", ["", "A", "B", ""], rows)


def _cut(title: str, count: int, top: int) -> str:
    return title if count <= top else f"{title}, the first {top} of {count}"
