"""The metrics that a stage's artifacts say its MLflow run must have."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.state import State
from tasks.lineage.model import Execution
from tasks.shared.artifacts import losses, scores
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import metric_name
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json


@dataclass(frozen=True)
class Logged:
    """A metric's value as an artifact has it.

    Attributes:
        record: the artifact.
        digits: significant ones that the artifact has of it; None where it has them all.
        live: logged while a stage worked, so a run that went on from a checkpoint lacks the first steps.
    """

    name: str
    step: int
    value: float
    record: str
    digits: int | None = None
    live: bool = False

    def is_(self, found: float) -> bool:
        """Whether a logged value is this one, as far as the artifact has it."""
        if self.digits is None or math.isnan(found):
            return repr(found) == repr(self.value)
        return float(f"{found:.{self.digits}g}") == self.value


def logged(state: State, answer: Answer, manifest: Execution) -> list[Logged]:
    """Metrics by a stage's manifest and its artifacts; of an artifact that is not as recorded there are none."""
    own = (RESULTS / manifest.stage / MANIFEST).as_posix()
    found = [Logged(f"count/{name}", 0, float(count), own) for name, count in manifest.counts.items()]
    for name, read in {"evaluate/metrics.json": _scores, "train/loss.csv": _curve, "base/loss.csv": _base}.items():
        path = f"{RESULTS}/{name}"
        if not name.startswith(f"{manifest.stage}/") or path not in manifest.generated:
            continue
        digest = state.digest(path)
        if digest is None or digest.sha256 != manifest.generated[path].sha256:
            answer.note("not checked", f"MLflow's metrics of {manifest.stage}", f"{path} is not as recorded")
            continue
        try:
            found += read(state.tree.files[path], path)
        except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
            answer.note("not checked", f"MLflow's metrics of {manifest.stage}", f"{path} cannot be read: {error}")
    return found


def _scores(place: Path, path: str) -> list[Logged]:
    values = scores.as_metrics(scores.scores_of(read_json(place), place))
    return [Logged(metric_name(name), 0, float(value), path) for name, value in values.items()]


def _curve(place: Path, path: str) -> list[Logged]:
    with place.open(encoding="utf-8", newline="") as stream:
        rows = [losses.measured(row) for row in csv.DictReader(stream)]
    found = [
        Logged(name, int(row["step"]), value, path, digits=8, live=True)
        for row in rows
        for name, value in losses.as_metrics(row).items()
    ]
    return [*found, Logged("train/final_loss", 0, rows[-1]["loss"], path)]


def _base(place: Path, path: str) -> list[Logged]:
    with place.open(encoding="utf-8", newline="") as stream:
        return [
            Logged(f"base/loss/{row['modality']}", int(row["step"]), float(row["loss"]), path, digits=6)
            for row in csv.DictReader(stream)
        ]
