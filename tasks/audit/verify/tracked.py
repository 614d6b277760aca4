"""MLflow's runs against what they published: tags, params, metrics with every step, and the seal over these."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.logged import Logged, logged
from tasks.audit.verify.seals import Entry, explain, sealed
from tasks.audit.verify.state import State
from tasks.audit.verify.trusted import out_hash
from tasks.lineage.dvc import LOCK
from tasks.lineage.mlflow import MANIFEST_TAG
from tasks.lineage.model import Execution, Run
from tasks.lineage.records import Record
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import SEAL, TAG_LIMIT, flat

BY_SEAL = f"the run's tag {SEAL}"
STORED = {  # metrics that no artifact states: how many items came from the store, and how many did not
    "base": ("items/reused",),
    "extract": ("items/reused", "items/decoded"),
    "transcribe": ("items/reused", "items/heard", "items/read"),
    "train": ("items/reused",),
    "encode": ("items/reused",),
}


def check_run(state: State, answer: Answer, manifest: Execution, run: Run, record: Record) -> None:
    """Compare one run with the manifest that it published.

    A run that was killed never got its seal: what it has must be right, what it lacks is no damage.
    """
    answer.count("MLflow runs")
    tag = run.tags.get(SEAL)
    whole = tag is not None or run.status == "FINISHED"
    if not whole:
        answer.note("not checked", f"MLflow run {run.run_id}", f"it is {run.status.lower()}: not all was logged")
    _tags(state, answer, manifest, run, whole)
    params = _params(answer, manifest, run, record, whole)
    expected = logged(state, answer, manifest)
    holds = tag is not None and sealed(tag, record.params, record.metrics)
    metrics = _metrics(answer, run, record, expected, whole, holds)
    if whole and not holds:
        _seal(answer, manifest, run, tag, params, metrics, expected)


def _tags(state: State, answer: Answer, manifest: Execution, run: Run, whole: bool) -> None:
    own = (RESULTS / manifest.stage / MANIFEST).as_posix()
    expected: dict[str, tuple[str, str]] = {
        "reeltrace.stage": (manifest.stage, own),
        MANIFEST_TAG: (manifest.digest, own),
        "reeltrace.inputs": (json.dumps({path: one.sha256 for path, one in manifest.used.items()}), own),
    }
    for key, (value, record) in expected.items():
        answer.count("MLflow tags")
        found = run.tags.get(key)
        if found == cut(value):
            continue
        where = f"MLflow run {run.run_id} tag {key}"
        if found is None:
            if whole:
                answer.find("missing", where, record, value, None)
        else:
            answer.find("altered", where, record, value, found)
    for key in ("dvc.outs", "dvc.deps"):
        answer.count("MLflow tags")
        _hashes(state, answer, manifest, run, key, whole)


def _hashes(state: State, answer: Answer, manifest: Execution, run: Run, key: str, whole: bool) -> None:
    """DVC's hashes in a tag: of what was published, and of what was read where that is still what lies there."""
    where, text = f"MLflow run {run.run_id} tag {key}", run.tags.get(key)
    locked = state.lock.get(manifest.stage)
    if text is None:
        if whole:
            answer.find("missing", where, "every finished run has it", None, None)
        return
    if text.endswith("…"):
        answer.note("not checked", where, "MLflow's database held only its beginning")
        return
    try:
        said = {str(path): str(md5) for path, md5 in dict(json.loads(text)).items()}
    except (ValueError, TypeError):
        answer.find("unreadable", where, "JSON", None, text[:200])
        return
    if locked is None:
        return
    record = f"{LOCK} {manifest.stage} {key.removeprefix('dvc.')}"
    recorded = locked.outs if key == "dvc.outs" else {
        dep: md5 for dep, md5 in locked.deps.items() if dep.startswith(f"{RESULTS}/")
    }  # fmt: skip
    for path in sorted({*recorded, *said}):
        expected, found = recorded.get(path), said.get(path)
        if expected == found or answer.wrong(path, f"{record} {path}"):
            continue
        if path in manifest.derived and found is not None:
            answer.note("not checked", where, f"{path} was built again since: the run's had md5 {found}")
        elif key == "dvc.deps" and not _still(state, manifest, path, expected):
            answer.note("not checked", where, f"{path} is not what the run read; `dvc repro {manifest.stage}`")
        else:
            answer.find("altered", where, record, f"{path} md5 {expected}", f"{path} md5 {found}")


def _still(state: State, manifest: Execution, path: str, md5: str | None) -> bool:
    """Whether a dependency is what the stage read: by dvc.lock, and by the digests in its manifest."""
    inputs = [one for one in manifest.used if one == path or one.startswith(f"{path}/")]
    return (
        md5 is None
        or state.revision
        or (
            out_hash(state, path, md5) == md5
            and all((one := state.digest(name)) and one.sha256 == manifest.used[name].sha256 for name in inputs)
        )
    )


def cut(value: str) -> str:
    """A tag's value as Tracker writes it."""
    return value if len(value) <= TAG_LIMIT else value[: TAG_LIMIT - 1] + "…"


def _params(answer: Answer, manifest: Execution, run: Run, record: Record, whole: bool) -> dict[str, str]:
    """Compare params; returns them as they were logged."""
    own = (RESULTS / manifest.stage / MANIFEST).as_posix()
    expected = {key: str(value) for key, value in flat(manifest.params).items()}
    for key in sorted({*expected, *record.params}):
        answer.count("MLflow params")
        found, where = record.params.get(key), f"MLflow run {run.run_id} param {key}"
        if key not in expected:
            answer.find("extra", where, own, None, found)
        elif found is None:
            if whole:
                answer.find("missing", where, own, expected[key], None)
        elif found != expected[key]:
            answer.find("altered", where, own, expected[key], found)
    return expected


def _metrics(
    answer: Answer,
    run: Run,
    record: Record,
    expected: list[Logged],
    whole: bool,
    holds: bool,
) -> list[Entry]:
    """Compare metrics; returns them with what artifacts state put right."""
    stated = {(one.name, one.step): one for one in expected}
    names = {one.name for one in expected}
    right: list[Entry] = []
    seen: Counter[tuple[str, int]] = Counter()
    for name, step, value in record.metrics:
        answer.count("MLflow metrics")
        one, where = stated.get((name, step)), _where(run, name, step)
        if one is None:
            if name in names and not holds:
                answer.find(
                    "extra", where, next(each.record for each in expected if each.name == name), None, repr(value)
                )
                continue
            right.append((name, step, value))
        elif not one.is_(value):
            if seen[name, step] or _again(record, one):
                answer.find("extra", where, one.record, repr(one.value), repr(value))
                continue
            answer.find("altered", where, one.record, repr(one.value), repr(value))
            right.append((name, step, one.value))
        else:
            right.append((name, step, value))
        seen[name, step] += 1
    resumed = _resumed(expected, seen)
    for one in expected:
        if not seen[one.name, one.step]:
            if (one.name, one.step) in resumed:
                continue
            if whole:
                answer.find("missing", _where(run, one.name, one.step), one.record, repr(one.value), None)
                right.append((one.name, one.step, one.value))
    if resumed:
        what = f"it went on from a checkpoint and logged no step before {max(step for _, step in resumed) + 1}"
        answer.note("not checked", f"MLflow run {run.run_id}", what)
    _latest(answer, run, record)
    return right


def _again(record: Record, one: Logged) -> bool:
    """Whether the same metric is there a second time, with the value that is right."""
    return any(name == one.name and step == one.step and one.is_(value) for name, step, value in record.metrics)


def _resumed(expected: list[Logged], seen: Counter[tuple[str, int]]) -> set[tuple[str, int]]:
    """The first steps of a training curve that a run lacks which went on from a checkpoint."""
    live = {one.name for one in expected if one.live}
    first = min((step for name, step in seen if name in live), default=0)
    return {(one.name, one.step) for one in expected if one.live and one.step < first}


def _latest(answer: Answer, run: Run, record: Record) -> None:
    """What MLflow shows as a metric's value must be among those of its last step."""
    last: dict[str, int] = {}
    for name, step, _ in record.metrics:
        last[name] = max(step, last.get(name, step))
    for name in sorted({*last, *record.latest}):
        values = [repr(value) for other, step, value in record.metrics if other == name and step == last.get(name)]
        shown = repr(record.latest[name]) if name in record.latest else None
        if shown not in values:
            kind: Any = "missing" if shown is None else "altered" if values else "extra"
            where = _where(run, name, last.get(name, 0))
            answer.find(kind, where, "MLflow's history of it", ", ".join(values) or None, shown)


def _where(run: Run, name: str, step: int) -> str:
    return f"MLflow run {run.run_id} metric {name}" + (f" step {step}" if step else "")


def _seal(
    answer: Answer,
    manifest: Execution,
    run: Run,
    tag: str | None,
    params: dict[str, str],
    metrics: list[Entry],
    expected: list[Logged],
) -> None:
    """The seal is broken: what was found already may explain it, or one metric that nothing else states."""
    where = f"MLflow run {run.run_id} tag {SEAL}"
    if tag is None:
        answer.find("missing", where, "every finished run has it", None, None)
        return
    mine = [one for one in answer.findings if one.where.startswith(f"MLflow run {run.run_id} ")]
    about = [one for one in mine if " metric " in one.where or " param " in one.where]
    exact = not any(one.digits for one in expected)
    if sealed(tag, params, metrics) or (about and not exact):
        for one in about:
            answer.find(one.kind, one.where, BY_SEAL, None, None)
        return
    stated = {one.name for one in expected}
    unstated = [*STORED.get(manifest.stage, ()), *(name for name, _, _ in metrics if name not in stated)]
    change = explain(tag, params, metrics, sorted({*unstated}), max([*manifest.counts.values(), 1]))
    if change is not None:
        kind: Any = "extra" if change.before is None else "missing" if change.after is None else "altered"
        answer.find(
            kind,
            _where(run, change.name, change.step),
            BY_SEAL,
            None if change.before is None else repr(change.before),
            None if change.after is None else repr(change.after),
        )
        return
    rough = {one.name for one in expected if one.digits}
    remark = (
        f"the seal itself, or what no artifact states in full: {', '.join(sorted({*unstated, *rough}) or ['nothing'])}"
    )
    answer.find("altered", where, "the run's params and metrics", None, tag, remark)
