"""What training showed the model, and the checkpoint that came of it."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import Any

from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import short_path
from tasks.shared.artifacts import exposures, index, losses
from tasks.shared.artifacts.index import read_index_manifest
from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.models import ADAPTER, TRAINED
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_json

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


def checkpoint_difference(pair: Pair) -> dict[str, list[Any]]:
    """What is known of the checkpoint in A and in B, by name: starting model, adapter, weights of the index, losses.

    None where a side has nothing of that name. Raises UserError where a side has no train stage.
    """
    a, b = pair.each(_checkpoint)
    return {name: [a.get(name), b.get(name)] for name in {**a, **b}}


def _checkpoint(lineage: Lineage) -> dict[str, Any]:
    base, train = lineage.executions.get("base"), lineage.execution("train")
    training = read_json(lineage.need(TRAIN / TRAINED))
    found: dict[str, Any] = {
        "base": sha256_json(sorted((path, one.sha256) for path, one in base.generated.items())) if base else None,
        "trained": "yes" if training.get("trained") else f"no: {training.get('reason')}",
        **_adapter(lineage),
    }
    try:
        encoding = read_index_manifest(lineage.need(index.FOLDER / index.MANIFEST).parent).encoding
        found["weights of the index"] = encoding.checkpoint
    except UserError:  # not encoded, which the stages say
        pass
    if train.digest_of(losses.FOLDER / losses.TABLE) is not None:
        curve = [row["loss"] for row in read_losses(lineage.need(losses.FOLDER / losses.TABLE).parent)]
        last = curve[-LAST:]
        found |= {"steps": len(curve), "last loss": last[-1], f"mean of the last {LAST}": fmean(last)} if curve else {}
    return found


def _exposures(lineage: Lineage) -> Steps:
    if not _adapter(lineage):
        return {}
    folder = lineage.need(exposures.FOLDER / exposures.TABLE).parent
    return {(one.query_id, one.video_id, one.role): one.steps for one in exposures.read_exposures(folder)}


def _adapter(lineage: Lineage) -> dict[str, str]:
    """sha256 of the adapter's files by name; empty where none was trained."""
    outputs = lineage.execution("train").generated
    return {short_path(path): one.sha256 for path, one in outputs.items() if path.startswith(f"{TRAIN / ADAPTER}/")}
