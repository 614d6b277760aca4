"""A comparison as people read it: the sentence, then tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tasks.audit.diff.answer import Difference, Side
from tasks.audit.diff.change import Change, Items
from tasks.audit.diff.effect_tables import effect_tables
from tasks.audit.diff.headline import causes, value
from tasks.audit.diff.outputs import Files
from tasks.audit.diff.stages import StageDifference
from tasks.audit.diff.training_tables import training_tables
from tasks.audit.text import Table, plain, short, shortened, show, table

VALUE = 70  # characters of a value or a list of ids
DATA_FIELDS = {"sha256": "bytes", "frames_sha256": "frames", "audio_sha256": "audio"}


def print_difference(found: Difference, top: int) -> None:
    """Print the sentence and the tables; long ones are cut to `top` rows, and say so."""
    show(found.headline)
    show(_sides(found.a, found.b))
    for letter, side in (("A", found.a), ("B", found.b)):
        for note in side.notes:
            show(f"note on {letter}: {note}")
    if found.identical:
        return
    for one in found.unknown or []:
        show(f"not compared: {one}")
    sections = [
        *_stages(found.stages),
        *_own(found.stages, top),
        *_data(found, top),
        *training_tables(found, top),
        *effect_tables(found, top),
        *_outputs(found.stages, top),
    ]
    for section in sections:
        show(plain(section) if isinstance(section, str) else section)


def _sides(a: Side, b: Side) -> Table:
    rows = [
        (
            letter,
            one.name,
            short(one.commit),
            f"{len(one.dirty)} files: {shortened(', '.join(one.dirty), 40)}" if one.dirty else "no",
            short(one.manifest),
            ", ".join(one.runs) or "-",
        )
        for letter, one in (("A", a), ("B", b))
    ]
    return table("", ["", "state", "commit", "dirty", "evaluate manifest", "MLflow runs of evaluate"], rows)


def _stages(stages: Sequence[StageDifference]) -> Iterable[Table]:
    words = {"same": "same", "parts": "PARTS", "inherited": "inherits", "unknown": "not compared"}
    rows = []
    for one in stages:
        why = causes(one) if one.kind == "parts" else ""
        if one.kind == "inherited":
            why = f"from {', '.join(one.inherits)}" + (f"; and its own {causes(one)}" if one.own else "")
        word = "parts, same result" if one.kind == "parts" and one.same_result else words[one.kind]
        manifests = (short(side.manifest) if side else "-" for side in (one.a, one.b))
        rows.append((one.stage, word, *manifests, _files(one.outputs), why))
    yield table("Stages", ["stage", "", "manifest A", "manifest B", "outputs", "why"], rows)


def _files(found: Files | None) -> str:
    if found is None:
        return ""
    if not found.differ:
        return "same bytes" if found.note is None else "see note"
    counts = {"changed": found.changed, "added": found.added, "removed": found.removed, "equal": found.equal}
    return ", ".join(f"{count} {how}" for how, count in counts.items() if count)


def _own(stages: Sequence[StageDifference], top: int) -> Iterable[Table | str]:
    rows = [(one.stage, each.key, value(each, "a"), value(each, "b")) for one in stages for each in one.params]
    if rows:
        yield table("Params", ["stage", "param", "A", "B"], rows)
    yield from _shared("Code", "file", [(one.stage, each) for one in stages for each in one.code], top, digest=True)
    yield from _shared("Versions", "package", [(one.stage, each) for one in stages for each in one.components], top)
    external = [(one.stage, each) for one in stages for each in one.external]
    yield from _shared("External inputs", "file", external, top, digest=True)
    environment = [
        (one.stage, Change(each.key, each.how, ", ".join(each.a), ", ".join(each.b)))
        for one in stages
        for each in one.environment
    ]
    yield from _shared("Environment, as MLflow's runs have it", "tag", environment, top)


def _outputs(stages: Sequence[StageDifference], top: int) -> Iterable[Table | str]:
    """Files that differ, in the order of the stages."""
    for one in stages:
        if one.outputs and one.outputs.note:
            yield f"{one.stage}: {one.outputs.note}"
    differing = [(one.stage, each) for one in stages if one.outputs for each in one.outputs.named]
    yield from _shared("Files that differ", "file", differing, top, digest=True)


def _shared(
    title: str, what: str, found: Sequence[tuple[str, Change]], top: int, *, digest: bool = False
) -> Iterable[Table]:
    """One row a change, with all the stages that have it."""
    stages: dict[tuple[str, str, str], list[str]] = {}
    for stage, one in found:
        values = [short(side) if digest else shortened(plain(side), VALUE) for side in (one.a, one.b)]
        stages.setdefault((one.key, values[0], values[1]), []).append(stage)
    if stages:
        rows = [(*change, ", ".join(names)) for change, names in list(stages.items())[:top]]
        yield table(_cut(title, len(stages), top), [what, "A", "B", "stages"], rows)


def _data(found: Difference, top: int) -> Iterable[Table | str]:
    assert found.data is not None
    tables = found.data.tables()
    if all(one is not None and one.same_bytes for one in tables.values()):
        yield "Data: videos, queries, judgments, media and transcripts are the same bytes.\n"
        return
    rows = []
    for name, one in tables.items():
        if one is None:
            rows.append((name, "not compared", "", "", "", ""))
        elif one.same_bytes:
            rows.append((name, "same bytes", "", "", "", ""))
        else:
            counts = (len(one.added), len(one.removed), len(one.changed))
            rows.append((name, one.equal, *counts, _fields(one)))  # type: ignore[arg-type]
    counted = ["equal", "added", "removed", "changed"]
    yield table("Data", ["table", *counted, "what changed"], rows, right=counted)
    for name, one in tables.items():
        if one and one.differ:
            yield from _items(name, one, top)


def _fields(found: Items) -> str:
    counts: dict[str, int] = {}
    for item in found.changed:
        for each in item.fields:
            name = DATA_FIELDS.get(each.key, each.key)
            counts[name] = counts.get(name, 0) + 1
    return ", ".join(f"{name} of {count}" for name, count in counts.items())


def _items(name: str, found: Items, top: int) -> Iterable[Table]:
    rows: list[tuple[str, ...]] = [
        *(
            (item.item_id, DATA_FIELDS.get(each.key, each.key), *(shortened(plain(v), VALUE) for v in (each.a, each.b)))
            for item in found.changed[:top]
            for each in item.fields
        ),
        *((item, "added", "", "") for item in found.added[:top]),
        *((item, "removed", "", "") for item in found.removed[:top]),
    ]
    count = sum(len(item.fields) for item in found.changed) + len(found.added) + len(found.removed)
    yield table(_cut(name.capitalize(), count, top), ["item", "", "A", "B"], rows[:top])


def _cut(title: str, count: int, top: int) -> str:
    return title if count <= top else f"{title}, the first {top} of {count}"
