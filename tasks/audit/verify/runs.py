"""MLflow's runs against what they published: tags, params, metrics, copies of artifacts, versions of the model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from urllib.parse import unquote, urlparse

from tasks.audit.verify.digests import walk
from tasks.audit.verify.lock import same_work
from tasks.audit.verify.metrics import Entry, metrics_of
from tasks.audit.verify.state import State
from tasks.lineage.dvc import LOCK
from tasks.lineage.mlflow import MANIFEST_TAG
from tasks.lineage.model import Execution, Run, manifest_path, read_manifest_file
from tasks.lineage.records import Record, damaged, read_records
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import REGISTERED_MODEL, SEAL, TAG_LIMIT, flat, seal
from tasks.shared.runtime.errors import UserError


def check_runs(state: State) -> None:
    """Compare every run with what it published."""
    tracking, answer = state.lineage.tracking, state.answer
    if (damage := damaged(tracking.uri, Path())) is not None:
        answer.find("unreadable", *damage)
        return
    runs = list(_runs(state))
    try:
        records = read_records(tracking.uri, Path(), [run.run_id for run, _ in runs])
    except OSError as error:
        tracking.problem = str(error)
    if tracking.problem:
        answer.note("not checked", "MLflow", tracking.problem)
        return
    for stage in state.lineage.executions:
        answer.runs[stage] = [run.run_id for run, made in runs if made.stage == stage]
    if without := [stage for stage, some in answer.runs.items() if not some]:
        answer.note("not checked", "MLflow", f"it has no run that published this result of {', '.join(without)}")
    answer.count("MLflow runs", runs)
    for run, execution in runs:
        name, record = f"MLflow run {run.run_id}", records[run.run_id]
        whole = SEAL in run.tags or run.status == "FINISHED"
        if not whole:  # it was killed, and lacks what it had not logged yet
            answer.note("not checked", name, f"it is {run.status.lower()}: not all was logged")
        tag, now = run.tags.get(SEAL), seal(record.params, record.metrics)
        if tag is not None:
            answer.compare(f"{name} params and metrics", f"{name} tag {SEAL}", tag, now)
        entries = _entries(run, execution, record), _hashes(state, run, execution)
        metrics = metrics_of(state, execution, name, record, tag == now)
        for what, source, expected, found in chain(*entries, metrics):
            if source not in answer.by_where and (whole or found is not None):
                answer.compare(f"{name} {what}", source, expected, found)
            answer.checked[f"MLflow {what.split()[0]}s"] += found is not None
        _check_copies(state, run, execution, whole)
        for number, tags in record.versions.items():
            where = f"MLflow model {REGISTERED_MODEL} version {number} tag {MANIFEST_TAG}"
            answer.compare(where, f"{name} tag {MANIFEST_TAG}", run.manifest, tags.get(MANIFEST_TAG))
        adapter = execution.stage == "train" and any("/adapter/" in path for path in execution.generated)
        if adapter and tag is not None and not record.versions:
            answer.find("missing", f"MLflow model {REGISTERED_MODEL}", name, "a version for the adapter", None)


def _runs(state: State) -> Iterator[tuple[Run, Execution]]:
    """The runs that say that they published the state's manifests, or whose outputs are those in dvc.lock; of a result
    that no run says it published, those that did the same work: equal work gives equal bytes."""
    lineage = state.lineage
    digests = {one.digest for one in lineage.executions.values()}
    runs = {one.run_id: one for one in lineage.tracking.of_stages(list(lineage.stages))}
    runs |= {one.run_id: one for some in lineage.tracking.of_manifests(digests).values() for one in some}
    for stage, execution in lineage.executions.items():
        outs = {path: md5 for path, md5 in lineage.outs_of(stage).items() if path not in execution.derived}
        its = [run for run in runs.values() if run.manifest == execution.digest]
        others = [run for run in runs.values() if run.manifest not in digests]
        if not state.answer.wrong((RESULTS / stage).as_posix()):  # what lies there is what dvc.lock says
            its += [run for run in others if outs and outs.items() <= run.outs.items()]
            its = its or [run for run in others if run.stage == stage and _like(run, execution)]
        yield from ((run, execution) for run in its)


def _copies(run: Run) -> Path | None:
    """Where a run's copies lie on this machine; None where that is elsewhere."""
    address = urlparse(run.artifacts)
    folder = Path(unquote(address.path)) if address.scheme == "file" else Path(run.artifacts)
    return folder if address.scheme in ("", "file") and folder.parents[1].is_dir() else None


def _like(run: Run, execution: Execution) -> bool:
    """Whether a run, by the manifest that it kept, did the same work."""
    folder = _copies(run)
    with suppress(UserError):
        copy = read_manifest_file(folder / MANIFEST) if folder else None
        return copy is not None and copy.digest == run.manifest and same_work(copy, execution)
    return False


def _entries(run: Run, execution: Execution, record: Record) -> Iterator[Entry]:
    """Tags and params by the manifest."""
    own = manifest_path(execution.stage)
    inputs = json.dumps({path: artifact.sha256 for path, artifact in execution.used.items()})
    cut = inputs if len(inputs) <= TAG_LIMIT else inputs[: TAG_LIMIT - 1] + "…"
    wanted = {"reeltrace.stage": execution.stage, MANIFEST_TAG: execution.digest, "reeltrace.inputs": cut}
    for key, value in wanted.items():
        yield f"tag {key}", own, value, run.tags.get(key)
    for key in (SEAL, "dvc.outs", "dvc.deps"):
        yield f"tag {key}", "every finished run", "a tag", "a tag" if key in run.tags else None
    params = {key: str(value) for key, value in flat(execution.params).items()}
    for key in sorted({*params, *record.params}):
        yield f"param {key}", own, params.get(key), record.params.get(key)


def _hashes(state: State, run: Run, execution: Execution) -> Iterator[Entry]:
    """DVC's hashes in tags by dvc.lock."""
    stage, locked = execution.stage, state.lineage.lock.get(execution.stage)
    deps = {dep: md5 for dep, md5 in locked.deps.items() if dep.startswith(f"{RESULTS}/")} if locked else {}
    for kind, recorded in (("outs", locked.outs), ("deps", deps)) if locked else ():
        text = run.tags.get(f"dvc.{kind}")
        try:
            tagged = dict(json.loads(text or "{}"))
        except (ValueError, TypeError):
            tagged = {}
        for path in sorted({*recorded, *tagged} - {*execution.derived}) if text else ():
            yield f"tag dvc.{kind} {path}", f"{LOCK} {stage} {kind} {path}", recorded.get(path), tagged.get(path)


def _check_copies(state: State, run: Run, execution: Execution, whole: bool) -> None:
    """Compare the copies that a run keeps with the manifest."""
    answer, stage, folder = state.answer, execution.stage, _copies(run)
    if folder is None:
        away = run.artifacts.rsplit("/", 2)[0]
        answer.note("not checked", "MLflow's copies", f"they are not on this machine, at {away}")
        return
    outputs = {path.removeprefix(f"{RESULTS / stage}/"): sha256 for path, sha256 in state.outputs(stage)[0].items()}
    outputs[MANIFEST] = execution.digest
    tracked = tuple(f"{name}/" for name in (MANIFEST, *state.lineage.stages[stage].tracked))
    there = walk(folder, Path())
    state.digests.read(there.values())
    answer.count("MLflow's copies", map(state.digests.__getitem__, there.values()))
    for name in sorted({*there, *(name for name in outputs if whole and f"{name}/".startswith(tracked))}):
        found, expected = state.digests[there.get(name, folder / name)], outputs.get(name)
        where = f"MLflow run {run.run_id} artifact {name}"
        answer.compare_file(where, manifest_path(stage), expected and f"sha256 {expected}", found)
