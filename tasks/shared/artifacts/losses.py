"""The training curve: `results/train/loss.csv`, a row for every step of the optimiser.

Where the loss is a sum of several objectives, each has a column: its own value, before it is weighted.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

FOLDER = RESULTS / "train"
TABLE = "loss.csv"
PARTS = ("query", "symmetric", "tuple", "teacher", "alignment")  # as in train.objectives
ALWAYS = ("step", "loss", "learning_rate", "grad_norm")
COLUMNS = ("step", "loss", *PARTS, "learning_rate", "grad_norm")


def write_losses(folder: Path, history: Iterable[Mapping[str, float]]) -> None:
    """Write the curve: steps from 1, and what was measured in each, in 8 digits."""
    history = list(history)
    there = set(ALWAYS).union(*history)
    text = StringIO()
    writer = csv.DictWriter(text, [name for name in COLUMNS if name in there], lineterminator="\n")
    writer.writeheader()
    for entry in history:
        writer.writerow({key: int(value) if key == "step" else f"{value:.8g}" for key, value in entry.items()})
    write_text(folder / TABLE, text.getvalue())


def read_losses(folder: Path = FOLDER) -> list[dict[str, float]]:
    """The rows that have a loss. Raises UserError where the file is missing or a value is no number."""
    path = folder / TABLE
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return [measured(row) for row in csv.DictReader(stream) if row["loss"]]
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except (KeyError, ValueError, TypeError) as error:
        raise UserError(f"{path} is not a training curve ({error}); restore it with `dvc checkout`") from None


def measured(row: Mapping[str, str]) -> dict[str, float]:
    """What a line of the file has. Raises KeyError where it lacks one of the columns that there always are."""
    return {name: float(row[name]) for name in COLUMNS if (row[name] if name in ALWAYS else row.get(name))}


def as_metrics(entry: Mapping[str, float]) -> dict[str, float]:
    """A row of the curve as MLflow's metrics."""
    return {f"train/{name}": float(entry[name]) for name in COLUMNS if name != "step" and name in entry}
