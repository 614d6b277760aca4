"""What training showed the model, and the checkpoint that came of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tasks.audit.change import Change, changes
from tasks.audit.diff.pair import Pair, compare_files
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
Steps = dict[tuple[str, str, exposures.Role], list[int]]  # by query, video and role


@dataclass(frozen=True)
class ExposureDifference:
    """What training showed in A and in B.

    Attributes:
        same_bytes: it is the same table in both; nothing was read.
        roles: by role (positive, mined, drawn): pairs of query and video `kept` (in both), `lost` and `gained`, and how
            often they were shown: `times_a`, `times_b`.
        other_steps: pairs that both showed in the same role, in other steps or another number of times.
    """

    same_bytes: bool
    roles: dict[str, dict[str, int]]
    other_steps: int


@dataclass(frozen=True)
class CheckpointDifference:
    """The starting model, the adapter, and the weights that made the index.

    Attributes:
        base_equal: whether the base stage published the same bytes; None where it is missing on a side.
        trained: of A and of B: whether there is an adapter, and if not, why.
        adapter: its files that differ, by sha256; empty where it is the same, or neither has one.
        weights: digest of the weights that made the index, of A and of B; None where it is not to be had.
        curves: of A and of B: steps, the last loss, and the mean of the last ten; None where nothing was trained.
    """

    base_equal: bool | None
    trained: list[Training]
    adapter: list[Change]
    weights: list[Encoding | None]
    curves: list[dict[str, float] | None]


def exposure_difference(pair: Pair) -> ExposureDifference:
    """Compare what training showed: nothing where nothing was trained. Raises UserError where that cannot be had."""
    if pair.same(exposures.FOLDER / exposures.TABLE):
        return ExposureDifference(True, {}, 0)
    return compare_exposures(*pair.each(_exposures))


def compare_exposures(a: Steps, b: Steps) -> ExposureDifference:
    """Compare steps by (query, video, role)."""
    roles: dict[str, dict[str, int]] = {}
    for role in ("positive", "mined", "drawn"):
        of_a, of_b = ({key: steps for key, steps in side.items() if key[2] == role} for side in (a, b))
        if of_a or of_b:
            kept = len(of_a.keys() & of_b.keys())
            times = [sum(map(len, side.values())) for side in (of_a, of_b)]
            roles[role] = {
                "kept": kept, "lost": len(of_a) - kept, "gained": len(of_b) - kept,
                "times_a": times[0], "times_b": times[1],
            }  # fmt: skip
    return ExposureDifference(False, roles, sum(a[key] != b[key] for key in a.keys() & b.keys()))


def checkpoint_difference(pair: Pair) -> CheckpointDifference:
    """Compare the checkpoints. Raises UserError where a side has no train stage."""
    both = all("base" in one.executions for one in (pair.a, pair.b))
    return CheckpointDifference(
        base_equal=compare_files(pair, "base").same if both else None,
        trained=list(pair.read(TRAIN / TRAINED, _training)),
        adapter=changes(*pair.each(_adapter)),
        weights=list(pair.each(_weights)),
        curves=list(pair.each(_end_of_curve)),
    )


def _exposures(lineage: Lineage) -> Steps:
    if not _adapter(lineage):
        return {}
    folder = lineage.need(exposures.FOLDER / exposures.TABLE).parent
    return {(one.query_id, one.video_id, one.role): one.steps for one in exposures.read_exposures(folder)}


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


def _end_of_curve(lineage: Lineage) -> dict[str, float] | None:
    if lineage.execution("train").digest_of(losses.FOLDER / losses.TABLE) is None:
        return None
    curve = [row["loss"] for row in read_losses(lineage.need(losses.FOLDER / losses.TABLE).parent)]
    last = curve[-LAST:]
    return {"steps": len(curve), "loss": curve[-1], "mean": sum(last) / len(last)} if curve else None
