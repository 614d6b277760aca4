"""Where two states part: stage by stage, what is its own difference and what it only inherits.

A stage parts from its other self where its result differs though all that it read of earlier stages is the same
content. An earlier stage that was made by other code, with the same bytes, hands on the same content.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tasks.audit.diff.pair import Change, Files, Pair, changes, compare_files
from tasks.audit.rows import cell
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError

# same result: it parts, but published the same bytes; unknown: it is not to be had in A or in B
Kind = Literal["same", "parts", "same result", "inherited", "unknown"]
OWN = ("params", "components", "code", "inputs")  # what a stage itself can differ by
NAMED = 3  # differences of one stage that a sentence names


@dataclass(frozen=True)
class StageDifference:
    """A stage in A and in B.

    What `differs` is by kind: params; code, components (versions of packages); inputs: files from outside the pipeline,
    and those of earlier stages that only one side read though the other had them too; counts; environment.
    """

    stage: str
    kind: Kind
    results: dict[str, dict[str, Any]]  # by A and B: manifest's sha256, DVC's md5s, MLflow runs; no side that lacks it
    differs: dict[str, list[Change]] = field(default_factory=dict)
    inherits: list[str] = field(default_factory=list)  # earlier stages whose files it read with other content
    outputs: Files | None = None  # None where nothing is compared: the stage is the same, or unknown
    reason: str | None = None


def stage_differences(pair: Pair) -> list[StageDifference]:
    """Every stage of either state, in the order of B's dvc.yaml; those that only A has follow."""
    runs = [lineage.runs_by_stage(lineage.executions) for lineage in (pair.a, pair.b)]
    outputs: dict[str, Files] = {}  # of the stages so far, which are the makers of what the next ones read
    return [_difference(pair, stage, runs, outputs) for stage in pair.b.stages | pair.a.stages]


def _difference(
    pair: Pair, stage: str, runs: Sequence[Mapping[str, list[Run]]], outputs: dict[str, Files]
) -> StageDifference:
    results = {
        side: {
            "manifest": lineage.execution(stage).digest,
            "dvc": lineage.outs_of(stage),
            "runs": [run.run_id for run in of[stage]],
        }
        for side, lineage, of in zip("AB", (pair.a, pair.b), runs, strict=True)
        if stage in of
    }
    try:
        a, b = pair.each(lambda lineage: lineage.execution(stage))
    except UserError as error:
        return StageDifference(stage, "unknown", results, reason=str(error))
    if a.digest == b.digest:
        return StageDifference(stage, "same", results)
    outputs[stage] = compare_files(pair, stage)
    differs = {part: changes(getattr(a, part), getattr(b, part)) for part in ("code", "components", "counts")}
    differs["params"] = changes(flat(a.params), flat(b.params))
    differs["environment"] = environments(*(of[stage] for of in runs))
    differs["inputs"], inherits = _inputs(pair, a, b, outputs)
    kind: Kind = "inherited" if inherits else "same result" if outputs[stage].same else "parts"
    return StageDifference(stage, kind, results, differs, inherits, outputs[stage])


def causes(one: StageDifference) -> str:
    """What a stage itself differs by, in a few words; empty where it only inherits."""
    params, components, code, inputs = (one.differs[part] for part in OWN)
    found = [f"{each.key} {value(each, 'a')} -> {value(each, 'b')}" for each in [*params, *components]]
    found += [f"{len(code)} code files"] if len(code) > 1 else [f"code {each.key} {each.how}" for each in code]
    found += [f"{each.key} {each.how}" for each in inputs]
    if len(found) > NAMED:
        found = [*found[:NAMED], f"and {len(found) - NAMED} more"]
    if found or one.kind == "inherited":
        return ", ".join(found)
    if one.outputs and not one.outputs.named:
        return "its manifest only"
    return "other bytes from the same params, code, versions and inputs"


def value(change: Change, side: Literal["a", "b"]) -> str:
    """A value on one line, as JSON where it is no text; `none` for a side without it."""
    if change.how == ("added" if side == "a" else "removed"):
        return "none"
    found = getattr(change, side)
    return cell(found if isinstance(found, str) else json.dumps(found, ensure_ascii=False, default=str))


def environments(a: Sequence[Run], b: Sequence[Run]) -> list[Change]:
    """Tags of the environment where no run of A has a value that a run of B has."""

    def values(runs: Sequence[Run]) -> dict[str, list[str]]:
        tags = {tag for run in runs for tag in run.tags if tag.startswith("env.")}
        return {tag: sorted({run.tags[tag] for run in runs if tag in run.tags}) for tag in tags}

    return [one for one in changes(values(a), values(b)) if one.how == "changed" and not set(one.a) & set(one.b)]


def _inputs(pair: Pair, a: Execution, b: Execution, outputs: Mapping[str, Files]) -> tuple[list[Change], list[str]]:
    """Inputs that differ by the stage itself, and the makers of the others."""
    own: list[Change] = []
    inherits: set[str] = set()
    used = a.used | b.used
    for one in changes(*({path: file.sha256 for path, file in each.used.items()} for each in (a, b))):
        maker = used[one.key].maker
        made = [
            of.digest_of(one.key) for side in (pair.a, pair.b) for of in side.executions.values() if of.stage == maker
        ]
        if maker is None or (one.how != "changed" and len(made) == 2 and all(made)):
            own.append(one)
        elif one.key != manifest_path(maker) or maker not in outputs or not outputs[maker].same:
            inherits.add(maker)  # else it is another manifest over the same files
    return own, [stage for stage in pair.b.stages | pair.a.stages if stage in inherits]
