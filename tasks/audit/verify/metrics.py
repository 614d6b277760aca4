"""The metrics of an MLflow run against its seal, its own latest values, and what the stage's artifacts say."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.state import State
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.lineage.records import Record
from tasks.shared.artifacts import losses, scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import SEAL, metric_name, seal
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json


@dataclass(frozen=True)
class Metric:
    """A metric's value as an artifact has it.

    Attributes:
        record: the artifact.
        digits: significant ones that the artifact has of it; None where it has them all.
        live: logged while a stage worked, so a run that went on from a checkpoint lacks the first steps.
    """

    value: float
    record: str
    digits: int | None = None
    live: bool = False

    def equals(self, found: float) -> bool:
        """Whether a logged value is this one, as far as the artifact has it."""
        if self.digits is None or math.isnan(found):
            return repr(found) == repr(self.value)
        return float(f"{found:.{self.digits}g}") == self.value


Metrics = dict[tuple[str, int], Metric]  # by name and step


def check_metrics(state: State, answer: Answer, execution: Execution, run: Run, record: Record, whole: bool) -> None:
    """Compare what a run logged. A run that is not `whole` was killed: what it lacks is no damage."""
    name = f"MLflow run {run.run_id}"
    tag, now = run.tags.get(SEAL), seal(record.params, record.metrics)
    if tag is None and whole:
        answer.find("missing", f"{name} tag {SEAL}", "every finished run has it", None, None)
    elif tag is not None:
        remark = "they are not those that were sealed when it ended"
        answer.compare(f"{name} params and metrics", f"{name} tag {SEAL}", tag, now, remark)
    stated = stated_metrics(state, answer, execution)
    names = {metric for metric, _ in stated}
    for metric, step, value in record.metrics:
        answer.count("MLflow metrics")
        one = stated.get((metric, step))
        if one is not None and not one.equals(value):
            answer.find("altered", _where(name, metric, step), one.record, repr(one.value), repr(value))
        elif one is None and metric in names and tag != now:
            answer.find("extra", _where(name, metric, step), manifest_path(execution.stage), None, repr(value))
    logged = {(metric, step) for metric, step, _ in record.metrics}
    first = min((step for metric, step in logged if (metric, step) in stated and stated[metric, step].live), default=0)
    for (metric, step), one in stated.items():
        if (metric, step) in logged or not whole:
            continue
        if one.live and step < first:
            answer.note("not checked", name, f"it went on from a checkpoint and logged no step before {first}")
        else:
            answer.find("missing", _where(name, metric, step), one.record, repr(one.value), None)
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


def stated_metrics(state: State, answer: Answer, execution: Execution) -> Metrics:
    """Metrics by a stage's manifest and its artifacts; of an artifact that is not as recorded there are none."""
    own = manifest_path(execution.stage)
    found: Metrics = {(f"count/{name}", 0): Metric(float(count), own) for name, count in execution.counts.items()}
    for stage, name, read in (
        ("evaluate", scores.METRICS, _scores), ("train", losses.TABLE, _curve), ("base", "loss.csv", _base)
    ):  # fmt: skip
        path = (RESULTS / stage / name).as_posix()
        if stage == execution.stage and path in execution.generated:
            try:
                if not state.intact(path):
                    raise UserError(f"{path} is not as recorded")
                found |= read(state.files[path], path)
            except (UserError, KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
                answer.note("not checked", f"MLflow's metrics of {stage}", str(error))
    return found


def _scores(place: Path, path: str) -> Metrics:
    values = scores.as_metrics(scores.scores_of(read_json(place), place))
    return {(metric_name(name), 0): Metric(float(value), path) for name, value in values.items()}


def _curve(place: Path, path: str) -> Metrics:
    rows = [losses.measured(row) for row in _rows(place)]
    found = {
        (name, int(row["step"])): Metric(value, path, digits=8, live=True)
        for row in rows
        for name, value in losses.as_metrics(row).items()
    }
    return found | {("train/final_loss", 0): Metric(rows[-1]["loss"], path, digits=8)}


def _base(place: Path, path: str) -> Metrics:
    return {
        (f"base/loss/{row['modality']}", int(row["step"])): Metric(float(row["loss"]), path, digits=6)
        for row in _rows(place)
    }


def _rows(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))
