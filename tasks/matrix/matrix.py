"""The modality transfer matrix: training modalities down, inference modalities across, nDCG@10 in every cell.

Its cells come from the DVC experiments of a grid. An experiment of a commit is a cell when its params are the commit's
but for `train.modalities` and `encode.modalities` (and `flows`, which no stage reads), and its code is the commit's.
The scores of the test queries in it are read from DVC's cache, by the digest in its dvc.lock.

All intervals are computed from the same bootstrap samples of the test queries, those of the evaluate stage: a cell's
interval is the one in its own `metrics.json`, and differences between cells are paired. Each training was run once, so
the intervals do not include the variation between seeds of training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import yaml

from tasks.evaluate.significance import bounds, draws
from tasks.lineage.dvc import Objects, parse_lock
from tasks.shared.artifacts.scores import FOLDER, HEADLINE, PER_QUERY, QueryScores, read_per_query
from tasks.shared.artifacts.types import MODALITIES, Modality
from tasks.shared.execution.params import PARAMS_FILE, Params, as_read, checked_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import DVC_FILE
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy
from tasks.shared.runtime.progress import progress

TRAINED, INDEXED = "train.modalities", "encode.modalities"
LOCK = "dvc.lock"
VARIED = {TRAINED: None, INDEXED: None, "flows": None}  # params in which cells may differ

Subset = tuple[Modality, ...]  # in the order of `Modality`
Place = tuple[Subset, Subset]  # trained, indexed
UNTRAINED: Subset = ()  # the row of the base system


@dataclass(frozen=True)
class Cell:
    """One finished experiment: what training and indexed documents consist of, and what every system scores."""

    trained: Subset
    indexed: Subset
    name: str
    commit: str
    scores: list[QueryScores]


@dataclass(frozen=True)
class Number:
    """A mean or a difference, with its 95 % bootstrap interval [low, high]."""

    value: float
    interval: list[float]


@dataclass(frozen=True)
class Matrix:
    """The cells of a grid, of which some may be missing.

    Attributes:
        rows, columns: subsets of the modalities in training and in the index, small ones first.
        means: nDCG@10 by cell, and in the row `UNTRAINED` that of the base system.
        resampled: by cell, the mean of every bootstrap sample: shape (resamples,).
        queries: how many.
    """

    rows: list[Subset]
    columns: list[Subset]
    means: dict[Place, float]
    resampled: dict[Place, np.ndarray]
    queries: int

    def trained(self) -> list[Place]:
        """The cells of trained systems, row by row."""
        return [(row, column) for row in self.rows for column in self.columns if (row, column) in self.means]

    def number(self, place: Place) -> Number:
        """A cell's mean. Raises KeyError where there is no such cell."""
        return Number(self.means[place], bounds(self.resampled[place]))

    def difference(self, place: Place, other: Place) -> Number:
        """A cell less another, over the same queries. Raises KeyError where there is no such cell."""
        return Number(self.means[place] - self.means[other], bounds(self.resampled[place] - self.resampled[other]))


def matrix_of(cells: Sequence[Cell], resamples: int, seed: int) -> Matrix:
    """The matrix of the cells. Raises UserError where they were not scored on the same queries."""
    values: dict[Place, dict[str, float]] = {}
    for one in cells:
        for system, trained in (("tuned", one.trained), ("base", UNTRAINED)):
            scored = {each.query_id: each.values[HEADLINE] for each in one.scores if each.system == system}
            if not scored:
                raise UserError(f"experiment {one.name} has no scores of {system}; the corpus needs training queries")
            values.setdefault((trained, one.indexed), scored)
    queries = sorted(next(iter(values.values())))
    if any(sorted(scored) != queries for scored in values.values()):
        raise UserError("the experiments were scored on different queries; run the grid again at one commit")
    numbers = {place: np.array([scored[query] for query in queries]) for place, scored in values.items()}
    blocks: dict[Place, list[np.ndarray]] = {place: [] for place in numbers}
    for drawn in draws(len(queries), resamples, seed):  # one after the other: all at once may be large
        for place, of in numbers.items():
            blocks[place].append(of[drawn].mean(axis=1))

    def ordered(subsets: Iterable[Subset]) -> list[Subset]:
        return sorted(set(subsets), key=lambda subset: (len(subset), [MODALITIES.index(one) for one in subset]))

    return Matrix(
        rows=ordered(cell.trained for cell in cells),
        columns=ordered(cell.indexed for cell in cells),
        means={place: float(of.mean()) for place, of in numbers.items()},
        resampled={place: np.concatenate(parts) for place, parts in blocks.items()},
        queries=len(queries),
    )


def label(subset: Subset) -> str:
    """A subset as it is shown."""
    return "+".join(subset) or "not trained"


def format_place(place: Place) -> str:
    """A cell as it is named in a sentence."""
    return f"{label(place[0])} searched by {label(place[1])}"


def cells_of(rev: str, root: Path = Path()) -> tuple[list[Cell], Params]:
    """The cells of a commit, by the names of their experiments, and the commit's params.

    Raises UserError where there is none, and where the scores of one cannot be read.
    """
    commit = git.commit_of(rev, root)
    params = _params(commit, root)
    found: dict[Place, tuple[str, str]] = {}
    for name, experiment in git.refs_below(f"refs/exps/{commit[:2]}/{commit[2:]}/", root).items():
        theirs = _params(experiment, root)
        same_code = not git.differ(commit, experiment, "tasks", DVC_FILE.as_posix(), root=root)
        if same_code and overridden(theirs, VARIED) == overridden(params, VARIED):
            place = tuple(theirs["train"]["modalities"]), tuple(theirs["encode"]["modalities"])
            found.setdefault(place, (name, experiment))
    if not found:
        raise UserError(
            f"commit {commit[:8]} has no experiment that differs from it in {TRAINED} and {INDEXED} alone; run the "
            "grid (deployment experiments/modalities), or name the commit it ran at with --rev"
        )
    objects = Objects(root)
    digests = {name: _digest(name, experiment, root) for name, experiment in found.values()}
    objects.fetch(digests.values())
    cells = [
        Cell(trained, indexed, name, experiment, _scores(objects.path(digests[name])))
        for (trained, indexed), (name, experiment) in progress(found.items(), "cells", unit="cell")
    ]
    return cells, checked_params(params, f"{PARAMS_FILE} of {rev}")


def _params(commit: str, root: Path) -> dict[str, Any]:
    text = git.file_at(commit, PARAMS_FILE.as_posix(), root)
    if text is None:
        raise UserError(f"commit {commit[:8]} has no {PARAMS_FILE}; name another with --rev")
    read: dict[str, Any] = as_read(yaml.safe_load(text))
    return read


def _digest(name: str, experiment: str, root: Path) -> str:
    """DVC's md5 of the scores that an experiment recorded."""
    stages = parse_lock(git.file_at(experiment, LOCK, root) or "", f"{LOCK} of experiment {name}")
    outs = stages["evaluate"].outs if "evaluate" in stages else {}
    if (path := (FOLDER / PER_QUERY).as_posix()) not in outs:
        raise UserError(f"experiment {name} has no scores; remove it (`dvc exp remove {name}`) and run it again")
    return outs[path]


def _scores(path: Path) -> list[QueryScores]:
    """Scores from an object of the cache, linked under the file name that their reader expects."""
    with TemporaryDirectory(prefix="reeltrace-") as folder:
        link_or_copy(path, Path(folder) / PER_QUERY)
        return read_per_query(Path(folder))
