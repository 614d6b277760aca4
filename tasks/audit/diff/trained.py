"""What training showed the model, and the checkpoint that came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.diff.change import Change, changes
from tasks.audit.diff.outputs import files
from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts import exposures, index, losses
from tasks.shared.artifacts.index import Encoding, read_index_manifest
from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.models import ADAPTER, TRAINED, Training
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

LAST = 10  # steps at the end of the curve that are averaged: one batch's loss says little
TRAIN = RESULTS / "train"
EXPOSURES = exposures.FOLDER / exposures.TABLE
Steps = dict[tuple[str, str, exposures.Role], list[int]]  # by query, video and role


@dataclass(frozen=True)
class Shown:
    """Pairs of query and video in one role: in both, only in B, only in A; `times`: how often they were shown."""

    kept: int
    gained: int
    lost: int
    times_a: int
    times_b: int


@dataclass(frozen=True)
class ExposureDifference:
    """What training showed in A and in B, by role: positive, mined, drawn.

    Attributes:
        same_bytes: it is the same table in both; nothing was read.
        other_steps: pairs that both showed in the same role, in other steps or another number of times.
    """

    same_bytes: bool
    roles: dict[str, Shown]
    other_steps: int


@dataclass(frozen=True)
class CurveEnd:
    """The end of a training curve: its steps, the loss of the last, and the mean loss of the last ten."""

    steps: int
    loss: float
    mean: float


@dataclass(frozen=True)
class CheckpointDifference:
    """The starting model, the adapter, and the weights that made the index.

    Attributes:
        base_equal: whether the base stage published the same bytes; None where it is missing on a side.
        trained: of A and of B: whether there is an adapter, and if not, why.
        adapter: its files that differ, by sha256; empty where it is the same, or neither has one.
        weights: digest of the weights that made the index, of A and of B; None where it is not to be had.
        curves: of A and of B; None where nothing was trained.
    """

    base_equal: bool | None
    trained: list[Training]
    adapter: list[Change]
    weights: list[Encoding | None]
    curves: list[CurveEnd | None]


def exposure_difference(pair: Pair) -> ExposureDifference:
    """Compare what training showed: nothing where nothing was trained. Raises UserError where that cannot be had."""
    if pair.same(EXPOSURES):
        return ExposureDifference(True, {}, 0)
    return shown(*pair.each(_exposures))


def _exposures(lineage: Lineage) -> Steps:
    if not _adapter(lineage):
        return {}
    folder = lineage.need(EXPOSURES).parent
    return {(one.query_id, one.video_id, one.role): one.steps for one in exposures.read_exposures(folder)}


def shown(a: Steps, b: Steps) -> ExposureDifference:
    """Compare steps by (query, video, role)."""
    kept = Counter(key[2] for key in a if key in b)
    lost = Counter(key[2] for key in a if key not in b)
    gained = Counter(key[2] for key in b if key not in a)
    times: list[Counter[str]] = [Counter(), Counter()]
    for count, side in zip(times, (a, b), strict=True):
        for key, steps in side.items():
            count[key[2]] += len(steps)
    return ExposureDifference(
        False,
        {
            role: Shown(kept[role], gained[role], lost[role], times[0][role], times[1][role])
            for role in ("positive", "mined", "drawn")
            if times[0][role] or times[1][role]
        },
        sum(a[key] != b[key] for key in a if key in b),
    )


def checkpoint_difference(pair: Pair) -> CheckpointDifference:
    """Compare the checkpoints. Raises UserError where a side has no train stage."""
    return CheckpointDifference(
        base_equal=files(pair, "base").same if all("base" in one.executions for one in (pair.a, pair.b)) else None,
        trained=list(pair.read(TRAIN / TRAINED, _training)),
        adapter=changes(*pair.each(_adapter)),
        weights=list(pair.each(_weights)),
        curves=list(pair.each(_end)),
    )


def _adapter(lineage: Lineage) -> dict[str, str]:
    """The files of the adapter by sha256; empty where none was trained."""
    outputs = lineage.execution("train").generated
    return {path: one.sha256 for path, one in outputs.items() if path.startswith(f"{TRAIN / ADAPTER}/")}


def _training(path: Path) -> Training:
    try:
        return Training(**read_json(path))
    except TypeError as error:
        raise UserError(f"{path} is not as this version writes it ({error})") from None


def _weights(lineage: Lineage) -> Encoding | None:
    try:
        return read_index_manifest(lineage.need(index.FOLDER / index.MANIFEST).parent).encoding
    except UserError:
        return None


def _end(lineage: Lineage) -> CurveEnd | None:
    if (losses.FOLDER / losses.TABLE).as_posix() not in lineage.execution("train").generated:
        return None
    curve = [row["loss"] for row in read_losses(lineage.need(losses.FOLDER / losses.TABLE).parent)]
    return CurveEnd(len(curve), curve[-1], sum(curve[-LAST:]) / len(curve[-LAST:])) if curve else None
