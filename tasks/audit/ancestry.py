"""The stages that a result follows from, as its manifest, DVC, MLflow and git know each; what is doubtful of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

RETRIEVER = RESULTS / "mine" / "retriever.json"


@dataclass(frozen=True)
class Ancestry:
    """Where a result is and what it follows from.

    Attributes:
        executions: as each feeds the next; the last one made the result.
        runs: MLflow's that published each, by stage, the oldest first.
        state: workspace, revision or run.
        commit: of git: the state's; a run's own is with the run.
        changed_files: tracked files of the workspace that differ from the commit.
        stages: `executions` and `runs` for programs.
        broken: links that do not hold, in words.
        notes: what could not be told, and what to beware of.
        retriever: the model that mined the negatives, as mine recorded it; None where none did.
    """

    executions: list[Execution] = field(repr=False)
    runs: dict[str, list[Run]] = field(repr=False)
    state: str
    commit: str | None
    changed_files: list[str]
    stages: list[dict[str, Any]]
    broken: list[str]
    notes: list[str]
    retriever: dict[str, Any] | None


def ancestry(lineage: Lineage, last: str) -> Ancestry:
    """A stage's result and all that it follows from."""
    executions = lineage.ancestry(last)
    names = [one.stage for one in executions]
    runs = lineage.runs_by_stage(names)
    unknown = [link.maker for link in lineage.links(*names) if link.holds == "unknown"] if names else []
    notes = [lineage.missing[name] for name in unknown if name in lineage.missing]
    if (unlike := lineage.unlike_lock(last)) is not None:
        notes.append(unlike)
    if lineage.tracking.problem:
        notes.append(lineage.tracking.problem)
    elif without := [name for name in names if not runs[name]]:
        notes.append(f"MLflow has no run that published this result of {', '.join(without)}")
    retriever = None
    if "mine" in names:
        try:
            retriever = read_json(lineage.need(RETRIEVER))
        except UserError as error:
            notes.append(f"what mined the negatives cannot be told: {error}")
    return Ancestry(
        executions=executions,
        runs=runs,
        state=lineage.name,
        commit=lineage.commit,
        changed_files=lineage.dirty,
        stages=_facts(lineage, executions, runs),
        broken=[
            f"{link.reader} read another {link.artifact.path} (sha256 {link.artifact.sha256}) than {link.maker} made "
            "that is here"
            for link in (lineage.broken(*names) if names else ())
        ],
        notes=notes,
        retriever=retriever,
    )


def _facts(lineage: Lineage, executions: list[Execution], runs: dict[str, list[Run]]) -> list[dict[str, Any]]:
    """All that is known of some executions, as answers in JSON tell it."""
    return [
        {
            "name": one.stage,
            "manifest": one.digest,
            "dvc": lineage.outs_of(one.stage),
            "runs": runs[one.stage],
            "params": one.params,
            "code": one.code_digest,
            "components": one.components,
            "counts": one.counts,
            "outputs": {path: artifact.sha256 for path, artifact in one.generated.items()},
            "folders": one.folders,
            "derived": one.derived,
            "inputs": [
                {"stage": link.reader, **asdict(link.artifact), "maker": link.maker, "holds": link.holds}
                for link in lineage.links(one.stage)
            ],
            "changed": lineage.changed(one.stage),
        }
        for one in executions
    ]
