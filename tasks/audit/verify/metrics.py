"""The metrics of an MLflow run against its seal, MLflow's own latest values, and what the stage's artifacts say."""

from __future__ import annotations

import csv
import math
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.state import State
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.lineage.records import Record
from tasks.shared.artifacts import losses, scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import SEAL, metric_name, seal
from tasks.shared.runtime.errors import UserError

Metrics = dict[tuple[str, int], float]  # by name and step
ROUNDED = 1e-5  # artifacts have some values in six digits; a smaller change breaks the seal alone


def check_metrics(state: State, answer: Answer, execution: Execution, run: Run, record: Record, whole: bool) -> None:
    """Compare what a run logged. A run that is not `whole` was killed: what it lacks is no damage."""
    name = f"MLflow run {run.run_id}"
    tag, now = run.tags.get(SEAL), seal(record.params, record.metrics)
    if tag is not None:
        remark = "they are not those that were sealed when it ended"
        answer.compare(f"{name} params and metrics", f"{name} tag {SEAL}", tag, now, remark)
    elif whole:
        answer.find("missing", f"{name} tag {SEAL}", "every finished run has it", None, None)
    artifact, stated = stated_metrics(state, answer, execution)
    stating = {
        metric: manifest_path(execution.stage) if metric.startswith("count/") else artifact for metric, _ in stated
    }
    for metric, step, value in record.metrics:
        answer.count("MLflow metrics")
        expected = stated.get((metric, step))
        if expected is not None and not _same(expected, value):
            answer.find("altered", _where(name, metric, step), stating[metric], repr(expected), repr(value))
        elif expected is None and metric in stating and tag != now:
            answer.find("extra", _where(name, metric, step), stating[metric], None, repr(value))
    logged = {(metric, step) for metric, step, _ in record.metrics}
    first = min((step for metric, step in logged if step and metric in stating), default=0)
    for (metric, step), value in stated.items() if whole else ():
        if execution.stage == "train" and 0 < step < first:  # logged by a run that was killed
            answer.note("not checked", name, f"it went on from a checkpoint and logged no step before {first}")
        elif (metric, step) not in logged:
            answer.find("missing", _where(name, metric, step), stating[metric], repr(value), None)
    _check_latest(answer, name, record)


def _check_latest(answer: Answer, name: str, record: Record) -> None:
    """What MLflow shows as a metric's value must be among those of its last step."""
    last: dict[str, int] = {}
    for metric, step, _ in record.metrics:
        last[metric] = max(step, last.get(metric, step))
    for metric in sorted({*last, *record.latest}):
        values = [repr(value) for one, step, value in record.metrics if one == metric and step == last[metric]]
        shown = repr(record.latest[metric]) if metric in record.latest else None
        if shown not in values:
            where = _where(name, metric, last.get(metric, 0))
            answer.compare(where, "MLflow's history of it", ", ".join(values) or None, shown)


def _where(run: str, metric: str, step: int) -> str:
    return f"{run} metric {metric}" + (f" step {step}" if step else "")


def _same(one: float, other: float) -> bool:
    return repr(one) == repr(other) or math.isclose(one, other, rel_tol=ROUNDED)


def stated_metrics(state: State, answer: Answer, execution: Execution) -> tuple[str, Metrics]:
    """The artifact that has metrics of a stage, and what it and the manifest say was logged; an artifact that is not as
    recorded says nothing."""
    found: Metrics = {(f"count/{name}", 0): float(count) for name, count in execution.counts.items()}
    name, read = {
        "evaluate": (scores.METRICS, _scores), "train": (losses.TABLE, _curve), "base": ("loss.csv", _base)
    }.get(execution.stage, ("", _base))  # fmt: skip
    path = (RESULTS / execution.stage / name).as_posix()
    if path in execution.generated:
        try:
            if not state.intact(path):
                raise UserError(f"{path} is not as recorded")
            found |= read(state.files[path])
        except (UserError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            answer.note("not checked", f"MLflow's metrics of {execution.stage}", str(error))
    return path, found


def _scores(place: Path) -> Metrics:
    values = scores.as_metrics(scores.read_scores(place.parent))
    return {(metric_name(name), 0): float(value) for name, value in values.items()}


def _curve(place: Path) -> Metrics:
    rows = [losses.measured(row) for row in _rows(place)]
    found = {(name, int(row["step"])): value for row in rows for name, value in losses.as_metrics(row).items()}
    return found | {("train/final_loss", 0): rows[-1]["loss"]}


def _base(place: Path) -> Metrics:
    return {(f"base/loss/{row['modality']}", int(row["step"])): float(row["loss"]) for row in _rows(place)}


def _rows(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
