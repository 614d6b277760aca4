"""The stages that a result follows from, as its manifest, DVC, MLflow and git know each; what is doubtful of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json


@dataclass(frozen=True)
class Ancestry:
    """Where a result is and what it follows from.

    Attributes:
        executions: as each feeds the next, the last of which made the result; runs: MLflow's of each, the oldest first.
        commit: of the state; changed_files: tracked files of the workspace that differ from it.
        stages: all that is known of each execution, for programs.
        broken, notes: links that do not hold; what could not be told, and what to beware of.
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
    runs = lineage.runs_by_stage([one.stage for one in executions])
    links = [link for one in executions for link in lineage.links(one.stage)]
    notes = [lineage.missing[link.maker] for link in links if link.holds == "unknown" and link.maker in lineage.missing]
    notes += filter(None, [lineage.unlike_lock(last), lineage.tracking.problem])
    if not lineage.tracking.problem and (without := [name for name, some in runs.items() if not some]):
        notes.append(f"MLflow has no run that published this result of {', '.join(without)}")
    retriever = None
    if "mine" in runs:
        try:
            retriever = read_json(lineage.need(RESULTS / "mine" / "retriever.json"))
        except UserError as error:
            notes.append(f"what mined the negatives cannot be told: {error}")
    stages = []
    for one in executions:
        identities = {"runs": runs[one.stage], "dvc": lineage.outs_of(one.stage)}
        stages.append({**asdict(one), **identities, "changed": lineage.changed(one.stage)})
    broken = [
        f"{link.reader} read another {link.artifact.path} (sha256 {link.artifact.sha256}) than {link.maker} made here"
        for link in links
        if link.holds == "no"
    ]
    state, commit, changed = lineage.name, lineage.commit, lineage.dirty
    return Ancestry(executions, runs, state, commit, changed, stages, broken, list(dict.fromkeys(notes)), retriever)
