"""The metrics of an MLflow run against its seal, MLflow's own latest values, and what the stage's artifacts say."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tasks.audit.verify.state import State
from tasks.lineage.model import Execution, manifest_path
from tasks.lineage.records import Record
from tasks.shared.artifacts import losses, scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import metric_name
from tasks.shared.runtime.errors import UserError

Entry = tuple[str, str, str | None, str | None]  # of a run: its name, the record that states it, expected, found
Metrics = dict[tuple[str, int], float]  # by name and step
STATED = {"evaluate": "metrics.json", "train": "loss.csv", "base": "loss.csv"}  # what has the metrics of a stage
ROUNDED = 1e-5  # artifacts have some values in six digits; a smaller change breaks the seal alone


def metrics_of(state: State, execution: Execution, name: str, record: Record, intact: bool) -> Iterator[Entry]:
    """What a run logged, by what states it. Of what no artifact states is only known whether its seal is `intact`."""
    history, last = defaultdict[tuple[str, int], list[float]](list), dict[str, int]()
    for metric, step, value in record.metrics:
        history[metric, step].append(value)
        last[metric] = max(step, last.get(metric, step))
    artifact, stated = _stated(state, execution)
    names = {metric for metric, _ in stated}
    first = min((step for metric, step in history if step and metric in names), default=0)
    for metric, step in sorted({*history, *stated}):
        source = manifest_path(execution.stage) if metric.startswith("count/") else artifact
        values, expected = history.get((metric, step), []), stated.get((metric, step))
        if expected is None:
            fits = intact or metric not in names
        elif execution.stage == "train" and 0 < step < first:  # logged by a run that was killed
            state.answer.note("not checked", name, f"it went on from a checkpoint and logged no step before {first}")
            continue
        else:
            fits = bool(values) and all(_same(expected, one) for one in values)
        wanted = None if expected is None else repr(expected)
        yield _where(metric, step), source, _shown(values) if fits else wanted, _shown(values)
    for metric in {*last, *record.latest}:  # what MLflow shows must be among the values of the last step
        step = last.get(metric, 0)
        values, latest = history.get((metric, step), []), record.latest.get(metric)
        if repr(latest) not in map(repr, values):
            shown = None if latest is None else repr(latest)
            yield _where(metric, step), "MLflow's history of it", _shown(values), shown


def _where(metric: str, step: int) -> str:
    return f"metric {metric}" + (f" step {step}" if step else "")


def _shown(values: list[float]) -> str | None:
    return ", ".join(map(repr, values)) or None


def _same(one: float, other: float) -> bool:
    return repr(one) == repr(other) or math.isclose(one, other, rel_tol=ROUNDED)


def _stated(state: State, execution: Execution) -> tuple[str, Metrics]:
    """The artifact that has metrics of a stage, and what it and the manifest say was logged; an artifact that is not as
    recorded says nothing."""
    found: Metrics = {(f"count/{name}", 0): float(count) for name, count in execution.counts.items()}
    path = (RESULTS / execution.stage / STATED.get(execution.stage, "")).as_posix()
    if path in execution.generated:
        try:
            if not state.intact(path):
                raise UserError(f"{path} is not as recorded")
            found |= _read(execution.stage, state.place(path))
        except (UserError, KeyError, TypeError, ValueError, IndexError) as error:
            state.answer.note("not checked", f"MLflow's metrics of {execution.stage}", str(error))
    return path, found


def _read(stage: str, place: Path) -> Metrics:
    if stage == "evaluate":
        values = scores.as_metrics(scores.read_scores(place.parent))
        return {(metric_name(name), 0): float(value) for name, value in values.items()}
    if stage == "train":
        curve = losses.read_losses(place.parent)
        found = {(name, int(row["step"])): value for row in curve for name, value in losses.as_metrics(row).items()}
        return found | {("train/final_loss", 0): curve[-1]["loss"]}
    with place.open(encoding="utf-8", newline="") as stream:
        rows = csv.DictReader(stream)
        return {(f"base/loss/{row['modality']}", int(row["step"])): float(row["loss"]) for row in rows}
