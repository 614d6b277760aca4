"""The cells of a grid of training x inference modalities, from the DVC experiments that it left.

An experiment of a commit is a cell when its params are the commit's but for `train.modalities` and
`encode.modalities` (and `flows`, which no stage reads), and its code is the commit's. What each test query scores in it
is read from DVC's cache, where its dvc.lock says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from tasks.lineage.dvc import Objects, parse_lock
from tasks.shared.artifacts.scores import FOLDER, PER_QUERY, QueryScores, read_per_query
from tasks.shared.artifacts.types import Modality
from tasks.shared.execution.params import PARAMS_FILE, Params, as_read, checked_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import DVC_FILE
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy
from tasks.shared.runtime.progress import progress

ROWS, COLUMNS = "train.modalities", "encode.modalities"
LOCK = "dvc.lock"
ALIKE = {ROWS: None, COLUMNS: None, "flows": None}  # what cells may differ in

Subset = tuple[Modality, ...]  # in the order of `Modality`


@dataclass(frozen=True)
class Cell:
    """One finished experiment.

    Attributes:
        trained, indexed: what training and indexed documents consist of.
        name, commit: of the experiment.
        scores: what every system scores for every query.
    """

    trained: Subset
    indexed: Subset
    name: str
    commit: str
    scores: list[QueryScores]


def cells_of(rev: str, root: Path = Path()) -> tuple[list[Cell], Params]:
    """The cells of a commit, by the names of their experiments, and the commit's params.

    Raises UserError where there is none, and where the scores of one are not to be had.
    """
    commit = git.commit_of(rev, root)
    params = _params(commit, root)
    found: dict[tuple[Subset, Subset], tuple[str, str]] = {}
    for name, experiment in git.refs_below(f"refs/exps/{commit[:2]}/{commit[2:]}/", root).items():
        theirs = _params(experiment, root)
        same_code = not git.differ(commit, experiment, "tasks", DVC_FILE.as_posix(), root=root)
        if same_code and overridden(theirs, ALIKE) == overridden(params, ALIKE):
            place = tuple(theirs["train"]["modalities"]), tuple(theirs["encode"]["modalities"])
            found.setdefault(place, (name, experiment))
    if not found:
        raise UserError(
            f"commit {commit[:8]} has no experiment that differs from it in {ROWS} and {COLUMNS} alone; run the grid "
            "(deployment experiments/modalities), or name the commit it ran at with --rev"
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
    """Scores from an object of the cache, under the name that their reader knows."""
    with TemporaryDirectory(prefix="reeltrace-") as folder:
        link_or_copy(path, Path(folder) / PER_QUERY)
        return read_per_query(Path(folder))
