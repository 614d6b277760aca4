"""The audit of all mined negatives of a state: every number, where it comes from, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tasks.audit.ancestry import facts_of_stages
from tasks.audit.negatives.advice import advise
from tasks.audit.negatives.effectiveness import Effectiveness, effectiveness
from tasks.audit.negatives.facts import Fact, compared_videos, facts_of
from tasks.audit.negatives.false_negatives import LikelyFalse, likely_false
from tasks.audit.negatives.likeness import Likeness
from tasks.audit.negatives.material import STAGES, Material, read_material
from tasks.audit.negatives.mix import Languages, Mix, languages, mixes
from tasks.audit.negatives.scores import Margins, ScoreSpreads, margins, score_spreads
from tasks.audit.negatives.usage import Drops, Training, Usage, drops, training, usage
from tasks.lineage.lineage import FINAL, Lineage
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Origin:
    """What the negatives are and what they come from.

    Attributes:
        mine: sha256 of the manifest of mine; dvc: DVC's md5 of results/mine; runs: MLflow's, the oldest first.
        params: of mine.
        stages: every stage whose results were read.
    """

    state: str
    commit: str | None
    changed_files: list[str]
    mine: str
    dvc: str | None
    runs: list[str]
    params: dict[str, Any]
    stages: list[dict[str, Any]]


@dataclass(frozen=True)
class Audit:
    """The whole answer. `notes` says what could not be told and why, `advice` what to do where something is bad."""

    origin: Origin
    queries: int
    advice: list[str]
    scores: ScoreSpreads
    margins: Margins
    likely_false: LikelyFalse
    languages: Languages
    mixes: dict[str, Mix]
    usage: Usage
    drops: Drops
    training: Training | None
    effectiveness: Effectiveness | None
    notes: list[str]


def audit(lineage: Lineage) -> Audit:
    """Audit a state's negatives. Raises UserError where mine or corpus are not to be had."""
    material = read_material(lineage, scored=True)
    likeness = Likeness(material, compared_videos(material.mined))
    return _audited(material, likeness, facts_of(material, likeness, material.mined))


def sampled(lineage: Lineage) -> tuple[Material, list[Fact]]:
    """What a sample is drawn from and read back to: facts of corpus and mine alone."""
    material = read_material(lineage, scored=False)
    return material, facts_of(material, None, material.mined)


def origin_of(material: Material) -> Origin:
    """The identity of what was read; adds to the notes where MLflow or dvc.lock do not know it."""
    lineage = material.lineage
    stages = [one for one in lineage.ancestry(FINAL) if one.stage in STAGES]
    mine = next((one for one in stages if one.stage == "mine"), None)
    if mine is None:
        raise UserError(f"dvc.yaml of {lineage.name} does not lead from mine to {FINAL}; the audit follows it")
    try:
        unlike = lineage.unlike_lock("mine")
    except UserError as error:
        unlike = f"whether this is what dvc.lock records cannot be told: {error}"
    runs = [run.run_id for run in lineage.runs_of("mine")]
    for doubt in (unlike, lineage.tracking.problem):
        if doubt:
            material.notes.append(doubt)
    if not runs and not lineage.tracking.problem:
        material.notes.append(f"MLflow has no run that published mine {mine.digest[:12]}")
    return Origin(
        state=lineage.name,
        commit=lineage.commit,
        changed_files=lineage.dirty,
        mine=mine.digest,
        dvc=lineage.outs.get("results/mine"),
        runs=runs,
        params=mine.params,
        stages=facts_of_stages(lineage, stages),
    )


def _audited(material: Material, likeness: Likeness, facts: list[Fact]) -> Audit:
    spreads = score_spreads(material.mined, facts)
    margin, false = margins(material, facts), likely_false(material, likeness, facts)
    used, dropped, shown = usage(material), drops(material), training(material)
    if material.source == "random":
        material.notes.append("mine.source is random: negatives have no scores, and ranks are the order of the draw")
    return Audit(
        origin=origin_of(material),
        queries=len(material.mined),
        advice=advise(material, spreads, margin, false, used, dropped, shown),
        scores=spreads,
        margins=margin,
        likely_false=false,
        languages=languages(material, facts),
        mixes=mixes(material),
        usage=used,
        drops=dropped,
        training=shown,
        effectiveness=effectiveness(material, facts),
        notes=material.notes,
    )
