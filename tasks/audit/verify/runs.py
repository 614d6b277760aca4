"""MLflow's runs against what they published: tags, params, metrics, copies of artifacts, versions of the model."""

from __future__ import annotations

import csv
import json
import math
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlparse

from tasks.audit.verify.records import same_work
from tasks.audit.verify.state import State, walk
from tasks.lineage.dvc import LOCK
from tasks.lineage.mlflow import MANIFEST_TAG
from tasks.lineage.model import Execution, Run, manifest_path, read_manifest_file
from tasks.lineage.records import Record, damaged, read_records
from tasks.shared.artifacts import losses, scores
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import REGISTERED_MODEL, SEAL, TAG_LIMIT, flat, metric_name, seal
from tasks.shared.runtime.errors import UserError

Entry = tuple[str, str, str | None, str | None]  # of a run: name, the record that states it, expected, found
STATED = {"evaluate": "metrics.json", "train": "loss.csv", "base": "loss.csv"}  # what has the metrics of a stage
ROUNDED = 1e-5  # artifacts have some values in six digits; a smaller change breaks the seal alone


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
        answer.unchecked("MLflow", tracking.problem)
        return
    answer.runs = {name: [run.run_id for run, made in runs if made.stage == name] for name in state.lineage.executions}
    if without := [stage for stage, some in answer.runs.items() if not some]:
        answer.unchecked("MLflow", f"it has no run that published this result of {', '.join(without)}")
    answer.checked["MLflow runs"] = len(runs)
    for run, execution in runs:
        name, record = f"MLflow run {run.run_id}", records[run.run_id]
        whole = SEAL in run.tags or run.status == "FINISHED"
        if not whole:  # it was killed, and lacks what it had not logged yet
            answer.unchecked(name, f"it is {run.status.lower()}: not all was logged")
        if (tag := run.tags.get(SEAL)) is not None:
            answer.compare(f"{name} params and metrics", f"{name} tag {SEAL}", tag, seal(record.params, record.metrics))
        metrics = _metrics(state, execution, name, record)
        for what, source, expected, found in (*_entries(state, run, execution, record), *metrics):
            if source not in answer.by_where and (whole or found is not None):
                answer.compare(f"{name} {what}", source, expected, found)
        logged = {"params": record.params, "metrics": record.metrics, "tags": run.tags}
        answer.checked.update({f"MLflow {what}": len(some) for what, some in logged.items()})
        _check_kept(state, run, execution, record)


def _runs(state: State) -> Iterator[tuple[Run, Execution]]:
    """The runs that say that they published the state's manifests, or whose outputs are those in dvc.lock; of a result
    that no run says it published and no commit has, those that did the same work: equal work gives equal bytes."""
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
            before = state.committed.get(stage)
            if not its and not state.revision and not (before and before.outs == lineage.outs_of(stage)):
                its = [run for run in others if run.stage == stage and _like(run, execution)]
        yield from ((run, execution) for run in its)


def _copies(run: Run) -> Path | None:
    """Where a run's copies lie on this machine; None where that is elsewhere."""
    address = urlparse(run.artifacts)
    folder = Path(unquote(address.path)) if address.scheme == "file" else Path(run.artifacts)
    return folder if address.scheme in ("", "file") and folder.parent.parent.is_dir() else None


def _like(run: Run, execution: Execution) -> bool:
    """Whether a run, by the manifest that it kept, did the same work."""
    with suppress(UserError):
        copy = read_manifest_file((_copies(run) or Path()) / MANIFEST)
        return copy.digest == run.manifest and same_work(copy, execution)
    return False


def _entries(state: State, run: Run, execution: Execution, record: Record) -> Iterator[Entry]:
    """Params and tags by the manifest, and DVC's hashes in tags by dvc.lock."""
    stage, own, locked = execution.stage, manifest_path(execution.stage), state.lineage.lock.get(execution.stage)
    inputs = json.dumps({path: artifact.sha256 for path, artifact in execution.used.items()})
    cut = inputs if len(inputs) <= TAG_LIMIT else inputs[: TAG_LIMIT - 1] + "…"
    for key, value in ("reeltrace.stage", stage), (MANIFEST_TAG, execution.digest), ("reeltrace.inputs", cut):
        yield f"tag {key}", own, value, run.tags.get(key)
    for key in (SEAL, "dvc.outs", "dvc.deps"):
        yield f"tag {key}", "every finished run", "a tag", "a tag" if key in run.tags else None
    params = {key: str(value) for key, value in flat(execution.params).items()}
    for key in sorted({*params, *record.params}):
        yield f"param {key}", own, params.get(key), record.params.get(key)
    for kind, recorded in (("outs", locked.outs), ("deps", locked.deps)) if locked else ():
        text, tagged = run.tags.get(f"dvc.{kind}"), {}
        with suppress(ValueError, TypeError):
            tagged = dict(json.loads(text or "{}"))
        below = {path: md5 for path, md5 in recorded.items() if path.startswith(f"{RESULTS}/")}
        for path in sorted({*below, *tagged} - {*execution.derived}) if text else ():
            yield f"tag dvc.{kind} {path}", f"{LOCK} {stage} {kind} {path}", below.get(path), tagged.get(path)


def _metrics(state: State, execution: Execution, name: str, record: Record) -> Iterator[Entry]:
    """What a run logged, by what states it, and what MLflow shows: a value of the last step. A metric that no artifact
    states is held by the seal alone."""
    history, last = defaultdict[tuple[str, int], list[float]](list), dict[str, int]()
    for metric, step, value in record.metrics:
        history[metric, step].append(value)
        last[metric] = max(step, last.get(metric, step))
    artifact, stated = _stated(state, execution)
    names = {metric for metric, _ in stated}
    first = min((step for metric, step in history if step and metric in names), default=0)
    for metric, step in sorted({*stated, *(one for one in history if one[0] in names)}):
        if execution.stage == "train" and 0 < step < first:  # logged by a run that was killed
            state.answer.unchecked(name, f"it went on from a checkpoint and logged no step before {first}")
            continue
        values, want = history.get((metric, step), []), stated.get((metric, step))
        expected: list[float] = []
        if want is not None:
            expected = [one if math.isclose(want, one, rel_tol=ROUNDED) else want for one in values or [want]]
        source = manifest_path(execution.stage) if metric.startswith("count/") else artifact
        yield f"metric {metric}" + f" step {step}" * bool(step), source, _shown(expected), _shown(values)
    shown = {metric: repr(value) for metric, value in record.latest.items()}
    for metric in sorted({*last, *shown}):
        step, latest = last.get(metric, 0), shown.get(metric)
        values = history.get((metric, step), [])
        if latest not in set(map(repr, values)):
            yield f"metric {metric}" + f" step {step}" * bool(step), "MLflow's history of it", _shown(values), latest


def _shown(values: list[float]) -> str | None:
    return ", ".join(map(repr, values)) or None


def _stated(state: State, execution: Execution) -> tuple[str, dict[tuple[str, int], float]]:
    """The artifact that has metrics of a stage, and what it, if it is as recorded, and the manifest say was logged."""
    stage, found = execution.stage, {(f"count/{name}", 0): float(count) for name, count in execution.counts.items()}
    path = (RESULTS / stage / STATED.get(stage, "")).as_posix()
    try:
        if path not in execution.generated:
            return path, found
        if not state.intact(path):
            raise UserError(f"{path} is not as recorded")
        if stage == "evaluate":
            values = scores.as_metrics(scores.read_scores(state.place(path).parent))
            found |= {(metric_name(name), 0): float(value) for name, value in values.items()}
        elif stage == "train":
            curve = losses.read_losses(state.place(path).parent)
            for row in curve:
                found |= {(name, int(row["step"])): value for name, value in losses.as_metrics(row).items()}
            found["train/final_loss", 0] = curve[-1]["loss"]
        else:
            lines = csv.DictReader(state.place(path).read_text(encoding="utf-8").splitlines())
            found |= {(f"base/loss/{one['modality']}", int(one["step"])): float(one["loss"]) for one in lines}
    except (UserError, KeyError, TypeError, ValueError, IndexError) as error:
        state.answer.unchecked(f"MLflow's metrics of {stage}", error)
    return path, found


def _check_kept(state: State, run: Run, execution: Execution, record: Record) -> None:
    """Compare the versions of the registered model that came from a run, and its copies of files, with the manifest."""
    answer, stage, folder, name = state.answer, execution.stage, _copies(run), f"MLflow run {run.run_id}"
    model, whole = f"MLflow model {REGISTERED_MODEL}", SEAL in run.tags
    for number, tags in record.versions.items():
        where, source = f"{model} version {number} tag {MANIFEST_TAG}", f"{name} tag {MANIFEST_TAG}"
        answer.compare(where, source, run.manifest, tags.get(MANIFEST_TAG))
    if whole and not record.versions and any("/train/adapter/" in path for path in execution.generated):
        answer.find("missing", model, name, "a version for the adapter", None)
    if folder is None:
        answer.unchecked("MLflow's copies", f"they are not on this machine, at {run.artifacts.rsplit('/', 2)[0]}")
        return
    outputs = {path.removeprefix(f"{RESULTS / stage}/"): sha256 for path, sha256 in state.outputs(stage)[0].items()}
    outputs[MANIFEST] = execution.digest
    tracked = tuple(f"{name}/" for name in (MANIFEST, *state.lineage.stages[stage].tracked))
    there = walk(folder, Path())
    state.digests.read(there.values())
    state.count("MLflow's copies", map(state.digests.__getitem__, there.values()))
    whole = whole or run.status == "FINISHED"
    for path in sorted({*there, *(path for path in outputs if whole and f"{path}/".startswith(tracked))}):
        where, expected = f"{name} artifact {path}", outputs.get(path) and f"sha256 {outputs[path]}"
        state.compare(where, manifest_path(stage), expected, state.digests[there.get(path, folder / path)])
