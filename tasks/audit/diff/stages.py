"""Where two states part: stage by stage, what is its own difference and what it only inherits.

A stage parts from its other self where its result differs though all that it read of earlier stages is the same
content: by params, code, versions, or files from outside. Below such a stage the results differ because their inputs
do. An earlier stage that was made by other code, with the same bytes, hands on the same content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tasks.audit.diff.change import Change, changes
from tasks.audit.diff.outputs import Files, files
from tasks.audit.diff.pair import Pair
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import flat

Kind = Literal["same", "parts", "inherited", "unknown"]  # unknown: not to be had in A or B
ENVIRONMENT = "env."


@dataclass(frozen=True)
class Result:
    """A stage's result in one state: its manifest's sha256, DVC's md5 of its outputs, MLflow runs that published it."""

    manifest: str
    dvc: dict[str, str]
    runs: list[str]


@dataclass(frozen=True)
class StageDifference:
    """A stage in A and in B.

    Attributes:
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
    a: Result | None = None
    b: Result | None = None
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
        """Whether it was made otherwise and yet published the same bytes."""
        return self.outputs is not None and self.outputs.same


def stage_differences(pair: Pair) -> list[StageDifference]:
    """Every stage of either state, in the DAG's order."""
    runs_a, runs_b = _runs(pair.a), _runs(pair.b)
    outputs = {stage: files(pair, stage) for stage in pair.stages if _differs(pair, stage)}
    found = []
    for stage in pair.stages:
        a, b = pair.a.executions.get(stage), pair.b.executions.get(stage)
        results = _result(pair.a, a, runs_a), _result(pair.b, b, runs_b)
        if a is None or b is None:
            found.append(StageDifference(stage, "unknown", *results, reason=_reason(pair, stage)))
        elif a.digest == b.digest:
            found.append(StageDifference(stage, "same", *results))
        else:
            environment = _environments(runs_a.get(a.digest, []), runs_b.get(b.digest, []))
            found.append(_difference(pair, a, b, results, environment, outputs))
    return found


def _differs(pair: Pair, stage: str) -> bool:
    a, b = pair.a.executions.get(stage), pair.b.executions.get(stage)
    return a is not None and b is not None and a.digest != b.digest


def _difference(
    pair: Pair,
    a: Execution,
    b: Execution,
    results: tuple[Result | None, Result | None],
    environment: list[Change],
    outputs: Mapping[str, Files],
) -> StageDifference:
    external, reads, inherits = _inputs(pair, a, b, outputs)
    return StageDifference(
        a.stage,
        "inherited" if inherits else "parts",
        *results,
        params=changes(flat(a.params), flat(b.params)),
        code=changes(a.code, b.code),
        components=changes(a.components, b.components),
        external=external,
        reads=reads,
        counts=changes(a.counts, b.counts),
        environment=environment,
        inherits=inherits,
        outputs=outputs[a.stage],
    )


def _inputs(
    pair: Pair, a: Execution, b: Execution, outputs: Mapping[str, Files]
) -> tuple[list[Change], list[Change], list[str]]:
    external: list[Change] = []
    reads: list[Change] = []
    makers: set[str] = set()
    by_path = ({path: one.sha256 for path, one in manifest.used.items()} for manifest in (a, b))
    for one in changes(*by_path):
        place = Path(one.key)
        if RESULTS not in place.parents:
            external.append(one)
        elif one.how != "changed" and _both_made(pair, place):
            reads.append(one)
        elif one.how != "changed" or not _same_content(place, outputs):
            makers.add(place.parts[1])
    return external, reads, [stage for stage in pair.stages if stage in makers]


def _both_made(pair: Pair, place: Path) -> bool:
    """Whether both states have a file of an earlier stage, whoever read it."""
    makers = [lineage.executions.get(place.parts[1]) for lineage in (pair.a, pair.b)]
    return all(maker is not None and maker.digest_of(place) is not None for maker in makers)


def _same_content(place: Path, outputs: Mapping[str, Files]) -> bool:
    """Whether a file of other bytes says the same: the manifest of a stage that published the same files."""
    stage = place.parts[1]
    return place == RESULTS / stage / MANIFEST and stage in outputs and outputs[stage].same


def _runs(lineage: Lineage) -> dict[str, list[Run]]:
    return lineage.tracking.of_manifests([one.digest for one in lineage.executions.values()])


def _result(lineage: Lineage, manifest: Execution | None, runs: dict[str, list[Run]]) -> Result | None:
    if manifest is None:
        return None
    folder = RESULTS / manifest.stage
    dvc = {path: md5 for path, md5 in lineage.outs.items() if folder == Path(path) or folder in Path(path).parents}
    return Result(manifest.digest, dvc, [one.run_id for one in runs.get(manifest.digest, [])])


def _environments(a: list[Run], b: list[Run]) -> list[Change]:
    of_a, of_b = _environment(a), _environment(b)
    return [
        Change(key, "changed", sorted(of_a[key]), sorted(of_b[key]))
        for key in sorted(of_a)
        if key in of_b and not of_a[key] & of_b[key]
    ]


def _environment(runs: list[Run]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for run in runs:
        for key, value in run.tags.items():
            if key.startswith(ENVIRONMENT):
                found.setdefault(key, set()).add(value)
    return found


def _reason(pair: Pair, stage: str) -> str:
    """Why a stage is missing on one side or both."""
    lacking = [(side, one) for side, one in (("A", pair.a), ("B", pair.b)) if stage not in one.executions]
    return "; ".join(
        f"{side}: {one.missing.get(stage, f'{one.name} has no stage {stage} in its dvc.yaml')}" for side, one in lacking
    )
