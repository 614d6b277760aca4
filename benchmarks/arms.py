"""Arms of an experiment: the pipeline with some params changed, run for a seed, and what came of it, kept.

Everything lies in one folder: a clone for every seed, in which its arms run one after the other, so that DVC
runs again only what an arm changes; a DVC cache and an item store for all of them; and what is finished, by commit,
seed and params, which is not run again.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from benchmarks.clones import clone, repro
from tasks.shared.artifacts.fusion import TABLE as FUSION
from tasks.shared.artifacts.fusion import read_fused
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY
from tasks.shared.artifacts.types import FUSIONS, RESULTS
from tasks.shared.execution.params_file import change_params
from tasks.shared.runtime.files import read_json, sha256_json, write_json

DIRECTIONS = "directions.parquet"  # where evaluate.directions is on
KEPT = (METRICS, PER_QUERY, DIRECTIONS, FUSION)
RUN = "run.json"
FUSED = {method: f"{HEADLINE} {method}" for method in FUSIONS if method != "joint"}  # where evaluate.fusion has it
AVERAGES = ("AVG-single", "AVG-dual", "AVG-all", "AVG-all R@10")  # of R@1 where nothing is said


@dataclass(frozen=True)
class Arm:
    """A name and the params that it changes, by dotted key."""

    name: str
    changes: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What an arm scores with a seed.

    Attributes:
        folder: where its numbers are kept.
        train_seconds: what the training took; None where DVC restored it.
        values: by system and measure, what every query (of nDCG@10, of the joint vector and of each fusion) or every
            video (of the averages over directions) scores.
    """

    folder: Path
    commit: str
    train_seconds: float | None
    values: dict[str, dict[str, dict[str, float]]]

    def mean(self, system: str, measure: str) -> float:
        """Over queries or videos. Raises KeyError where there is no such number."""
        values = self.values[system][measure].values()
        return sum(values) / len(values)


def outcome(place: Path, commit: str, seed: int, arm: Arm) -> tuple[Outcome, bool]:
    """What an arm of a commit scores with a seed, and whether it had to be run for that."""
    changes = {**arm.changes, "run.seed": seed}
    folder = place / "finished" / f"{commit[:8]}-seed-{seed}-{sha256_json(changes)[:12]}"
    if fresh := not (folder / RUN).is_file():
        tree = place / f"seed-{seed}-{commit[:8]}"
        if not tree.is_dir():
            _clone(place, commit, tree)
        seconds = _run(place, tree, changes, folder)
        write_json(folder / RUN, {"changes": changes, "commit": commit, "train_seconds": seconds})  # last: it is whole
    run = read_json(folder / RUN)
    return Outcome(folder, run["commit"], run["train_seconds"], _values(folder)), fresh


def _clone(place: Path, commit: str, tree: Path) -> None:
    """A clone of the commit that shares DVC's cache with the others."""
    clone(tree, {})
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=tree, check=True)
    shared = f'[cache]\n    dir = {(place / "cache").absolute()}\n    type = "reflink,hardlink,copy"\n'
    (tree / ".dvc" / "config.local").write_text(shared, encoding="utf-8")


def _run(place: Path, tree: Path, changes: Mapping[str, Any], folder: Path) -> float | None:
    """Run the pipeline to its scores in a seed's clone and keep them; what the training took where it ran."""
    subprocess.run(["git", "checkout", "--quiet", "params.yaml"], cwd=tree, check=True)
    change_params(changes, tree / "params.yaml")
    store = (place / "store").absolute()
    repro(tree, "mine", store=store)  # all that comes before the training
    start = time.monotonic()
    trained = "Running stage 'train'" in repro(tree, "train", store=store)
    seconds = time.monotonic() - start
    repro(tree, "evaluate", store=store)
    folder.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        if (made := tree / RESULTS / "evaluate" / name).exists():
            shutil.copyfile(made, folder / name)
    return round(seconds, 1) if trained else None


def _values(folder: Path) -> dict[str, dict[str, dict[str, float]]]:
    found: dict[str, dict[str, dict[str, float]]] = {}
    for row in pq.read_table(folder / PER_QUERY).to_pylist():
        found.setdefault(row["system"], {}).setdefault(HEADLINE, {})[row["query_id"]] = row[HEADLINE]
    for one in read_fused(folder) if (folder / FUSION).exists() else []:
        if one.method in FUSED:
            found[one.system].setdefault(FUSED[one.method], {})[one.query_id] = one.ndcg
    ranks: dict[tuple[str, str], dict[str, int]] = {}  # of a system and a video: where every direction found it
    if (folder / DIRECTIONS).exists():
        for row in pq.read_table(folder / DIRECTIONS).to_pylist():
            ranks.setdefault((row["system"], row["video_id"]), {})[row["direction"]] = row["rank"]
    for (system, video_id), of in ranks.items():
        first = {name: rank == 1 for name, rank in of.items()}
        single = [hit for name, hit in first.items() if len(name) == len("t2v")]
        dual = [hit for name, hit in first.items() if len(name) > len("t2v")]
        tenth = [rank <= 10 for rank in of.values()]
        for average, members in zip(AVERAGES, (single, dual, single + dual, tenth), strict=True):
            found[system].setdefault(average, {})[video_id] = sum(members) / len(members)
    return found


def described(arm: Arm) -> str:
    """What an arm changes, in a line."""
    return ", ".join(f"{key}={json.dumps(value)}" for key, value in arm.changes.items()) or "nothing changed"
