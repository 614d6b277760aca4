"""The answer to `diff A B`: where two states part, what differs, and what that does to the score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tasks.audit.diff.data import DataDifference, data_difference
from tasks.audit.diff.effect import EffectDifference, effect_difference
from tasks.audit.diff.headline import headline
from tasks.audit.diff.mined import MinedDifference, mined_difference
from tasks.audit.diff.pair import Pair
from tasks.audit.diff.stages import StageDifference, stage_differences
from tasks.audit.diff.trained import (
    CheckpointDifference,
    ExposureDifference,
    checkpoint_difference,
    exposure_difference,
)
from tasks.lineage.lineage import FINAL, Lineage
from tasks.shared.runtime.errors import UserError

T = TypeVar("T")


@dataclass(frozen=True)
class Side:
    """One of the two states.

    Attributes:
        asked: as the user named it.
        dirty: tracked files that differ from the commit.
        manifest, runs: digest of the evaluate stage's manifest, and the MLflow runs that published it.
        notes: what must be known of it, such as stages that do not fit together.
    """

    asked: str
    name: str
    commit: str | None
    dirty: list[str]
    manifest: str | None
    runs: list[str]
    notes: list[str]


@dataclass(frozen=True)
class Difference:
    """Two states, compared.

    Attributes:
        identical: every stage has the same manifest in both; nothing else is filled in.
        parts: the stages where they part, in the DAG's order; of those, `same_result` published the same bytes.
        unknown: what could not be compared, and why.
        caveats: why the scores of A and B do not mean the same, where they do not.
    """

    headline: str
    a: Side
    b: Side
    identical: bool
    parts: list[str]
    same_result: list[str]
    stages: list[StageDifference]
    data: DataDifference | None = None
    negatives: MinedDifference | None = None
    exposures: ExposureDifference | None = None
    checkpoint: CheckpointDifference | None = None
    effect: EffectDifference | None = None
    caveats: list[str] | None = None
    unknown: list[str] | None = None


def compare(asked: tuple[str, str], pair: Pair) -> Difference:
    """Compare two states. Raises UserError where they have no stage in common that could be."""
    stages = stage_differences(pair)
    if all(one.kind == "unknown" for one in stages):
        raise UserError(f"nothing of {asked[0]} and {asked[1]} can be compared: {stages[0].reason}")
    sides = _side(asked[0], pair.a), _side(asked[1], pair.b)
    if all(one.kind == "same" for one in stages):
        said = (
            f"identical: every stage of A ({sides[0].name}) and B ({sides[1].name}) published the same manifest; "
            "whether the files are still as it says, `reeltrace audit verify` proves."
        )
        return Difference(said, *sides, identical=True, parts=[], same_result=[], stages=stages)
    unknown = [f"stage {one.stage}: {one.reason}" for one in stages if one.kind == "unknown"]
    data = data_difference(pair, unknown)
    score = _attempt("scores", effect_difference, pair, unknown)
    parting = [one for one in stages if one.kind == "parts"]
    return Difference(
        headline(stages, score, scored=not any(line.startswith("scores:") for line in unknown)),
        *sides,
        identical=False,
        parts=[one.stage for one in parting],
        same_result=[one.stage for one in parting if one.same_result],
        stages=stages,
        data=data,
        negatives=_attempt("negatives", mined_difference, pair, unknown),
        exposures=_attempt("exposures", exposure_difference, pair, unknown),
        checkpoint=_attempt("checkpoint", checkpoint_difference, pair, unknown),
        effect=score,
        caveats=_caveats(data, score),
        unknown=unknown,
    )


def _attempt(what: str, compared: Callable[[Pair], T], pair: Pair, unknown: list[str]) -> T | None:
    try:
        return compared(pair)
    except UserError as error:
        unknown.append(f"{what}: {error}")
        return None


def _side(asked: str, lineage: Lineage) -> Side:
    manifest = lineage.executions.get(FINAL)
    runs = [one.run_id for one in lineage.runs_of(FINAL)]
    notes = [
        f"{link.reader} read another {link.artifact.path} than {link.maker} has here; `dvc repro` makes them fit"
        for link in lineage.broken()
    ]
    if lineage.tracking.problem:
        notes.append(f"no MLflow runs are told: {lineage.tracking.problem}")
    return Side(asked, lineage.name, lineage.commit, lineage.dirty, manifest.digest if manifest else None, runs, notes)


def _caveats(data: DataDifference, score: EffectDifference | None) -> list[str]:
    """Differences of the test itself: of what is asked, of what counts as right, and of what is searched."""
    found = []
    if score and (score.only_a or score.only_b):
        found.append(
            f"{len(score.only_a)} queries were scored in A only and {len(score.only_b)} in B only: "
            "the paired numbers leave them out, the plain means do not"
        )
    if score and (score.systems_a or score.systems_b):
        only = [
            f"{', '.join(names)} in {side} only" for side, names in (("A", score.systems_a), ("B", score.systems_b))
        ]
        found.append("systems: " + "; ".join(one for one in only if not one.startswith(" ")))
    judged = data.judgments["test"]
    if judged and judged.differ:
        pairs = [*judged.added, *judged.removed, *(one.item_id for one in judged.changed)]
        found.append(f"{len({pair.split(' ')[0] for pair in pairs})} test queries are judged otherwise in B")
    if data.queries and (worded := sum(one.has("text") for one in data.queries.changed)):
        found.append(f"{worded} queries have other words in B")
    if data.videos and (data.videos.added or data.videos.removed):
        found.append(f"B has {len(data.videos.added)} videos more and {len(data.videos.removed)} fewer than A")
    return found
