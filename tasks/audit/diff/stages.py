"""Where two states part: stage by stage, what is its own difference and what it only inherits.

A stage parts from its other self where its result differs though all that it read of earlier stages is the same
content: by params, code, versions, or files from outside. Below such a stage the results differ because their inputs
do. An earlier stage that was made by other code, with the same bytes, hands on the same content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.audit.change import Change, changes
from tasks.audit.diff.pair import Files, Pair, compare_files
from tasks.audit.recorded import identities
from tasks.audit.text import shortened
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.files import canonical_json

Kind = Literal["same", "parts", "inherited", "unknown"]  # unknown: not to be had in A or B
ENVIRONMENT = "env."
NAMED = 3  # differences of one stage that a sentence names
WIDTH = 60  # characters of a value


@dataclass(frozen=True)
class StageDifference:
    """A stage in A and in B.

    Attributes:
        a, b: what names its result: manifest, DVC's md5s, MLflow runs; None where it is not to be had.
        params, code, components: what differs: values, sha256 of source files, versions of packages.
        external: files read from outside the pipeline, by sha256.
        reads: files of earlier stages that only one side read, though the other had them too.
        inherits: earlier stages whose files it read with other content.
        environment: of the MLflow runs, where no run of A had what one of B had.
        outputs: None where nothing is compared: the stage is the same, or unknown.
        reason: why the stage is unknown.
    """

    stage: str
    kind: Kind
    a: dict[str, Any] | None = None
    b: dict[str, Any] | None = None
    params: list[Change] = field(default_factory=list)
    code: list[Change] = field(default_factory=list)
    components: list[Change] = field(default_factory=list)
    external: list[Change] = field(default_factory=list)
    reads: list[Change] = field(default_factory=list)
    counts: list[Change] = field(default_factory=list)
    environment: list[Change] = field(default_factory=list)
    inherits: list[str] = field(default_factory=list)
    outputs: Files | None = None
    reason: str | None = None

    @property
    def own(self) -> list[Change]:
        """What differs of the stage itself."""
        return [*self.params, *self.code, *self.components, *self.external, *self.reads]

    @property
    def same_result(self) -> bool:
        """Whether it was made differently and yet published the same bytes."""
        return self.outputs is not None and self.outputs.same


def stage_differences(pair: Pair) -> list[StageDifference]:
    """Every stage of either state, in the DAG's order."""
    runs_a, runs_b = (lineage.runs_by_stage(lineage.executions) for lineage in (pair.a, pair.b))
    outputs: dict[str, Files] = {}  # of the stages so far, which are the makers of what the next ones read
    found = []
    for stage in pair.stages:
        names = _identities(pair.a, stage, runs_a), _identities(pair.b, stage, runs_b)
        a, b = pair.a.executions.get(stage), pair.b.executions.get(stage)
        if a is None or b is None:
            found.append(StageDifference(stage, "unknown", *names, reason=_reason(pair, stage)))
        elif a.digest == b.digest:
            found.append(StageDifference(stage, "same", *names))
        else:
            outputs[stage] = compare_files(pair, stage)
            environment = environments(runs_a[stage], runs_b[stage])
            found.append(_difference(pair, (a, b), names, environment, outputs))
    return found


def causes(one: StageDifference) -> str:
    """What a stage differs by, in a few words."""
    found = [f"{each.key} {value(each, 'a')} -> {value(each, 'b')}" for each in [*one.params, *one.components]]
    found += [f"code {each.key} {each.how}" for each in one.code] if len(one.code) == 1 else []
    found += [f"{len(one.code)} code files"] if len(one.code) > 1 else []
    found += [f"{each.key} {each.how}" for each in one.external]
    found += [f"{each.key} {'read' if each.how == 'added' else 'not read'} in B" for each in one.reads]
    if len(found) > NAMED:
        found = [*found[:NAMED], f"and {len(found) - NAMED} more"]
    if found:
        return ", ".join(found)
    if one.outputs and not one.outputs.differ:
        return "its manifest only"
    return "other bytes from the same params, code, versions and inputs"


def value(change: Change, side: str) -> str:
    """A param or version on one line, as JSON where it is no text; a side without it is `none`."""
    if change.how == ("added" if side == "a" else "removed"):
        return "none"
    found = change.a if side == "a" else change.b
    return shortened(found if isinstance(found, str) else canonical_json(found), WIDTH)


def environments(a: Sequence[Run], b: Sequence[Run]) -> list[Change]:
    """Tags of the environment where no run of A has a value that a run of B has."""

    def values(runs: Sequence[Run], tag: str) -> list[str]:
        return sorted({run.tags[tag] for run in runs if tag in run.tags})

    found = []
    for tag in sorted({tag for run in a for tag in run.tags if tag.startswith(ENVIRONMENT)}):
        of_a, of_b = values(a, tag), values(b, tag)
        if of_b and not set(of_a) & set(of_b):
            found.append(Change(tag, "changed", of_a, of_b))
    return found


def _difference(
    pair: Pair,
    executions: tuple[Execution, Execution],
    names: tuple[dict[str, Any] | None, dict[str, Any] | None],
    environment: list[Change],
    outputs: Mapping[str, Files],
) -> StageDifference:
    a, b = executions
    external: list[Change] = []
    reads: list[Change] = []
    inherits: set[str] = set()
    used = a.used | b.used
    for one in changes(*({path: file.sha256 for path, file in each.used.items()} for each in executions)):
        maker = used[one.key].maker
        if maker is None:
            external.append(one)
        elif one.how != "changed" and all(_made(lineage, maker, one.key) for lineage in (pair.a, pair.b)):
            reads.append(one)
        elif one.how == "changed" and one.key == manifest_path(maker) and maker in outputs and outputs[maker].same:
            continue  # another manifest over the same files
        else:
            inherits.add(maker)
    return StageDifference(
        a.stage,
        "inherited" if inherits else "parts",
        *names,
        params=changes(flat(a.params), flat(b.params)),
        code=changes(a.code, b.code),
        components=changes(a.components, b.components),
        external=external,
        reads=reads,
        counts=changes(a.counts, b.counts),
        environment=environment,
        inherits=[stage for stage in pair.stages if stage in inherits],
        outputs=outputs[a.stage],
    )


def _identities(lineage: Lineage, stage: str, runs: Mapping[str, list[Run]]) -> dict[str, Any] | None:
    return identities(lineage, stage, runs[stage]) if stage in lineage.executions else None


def _made(lineage: Lineage, stage: str, path: str) -> bool:
    return stage in lineage.executions and lineage.executions[stage].digest_of(path) is not None


def _reason(pair: Pair, stage: str) -> str:
    """Why a stage is missing on one side or both."""
    return "; ".join(
        f"{side}: {one.missing.get(stage, f'{one.name} has no stage {stage} in its dvc.yaml')}"
        for side, one in (("A", pair.a), ("B", pair.b))
        if stage not in one.executions
    )
