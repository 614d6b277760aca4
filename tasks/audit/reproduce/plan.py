"""What is to be run, from which commit and with which params, shown before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.audit.reproduce.commits import Found, candidates, choose, mismatches
from tasks.audit.reproduce.params import OtherEnvironment, other_environment, params_changed, recorded_params
from tasks.audit.reproduce.sources import Sources
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.lineage.score import Score
from tasks.shared.execution.pipeline import parents_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class Plan:
    """A reproduction to be.

    Attributes:
        executions: of all stages that the score follows from, in their order.
        again: those to run; before: those whose recorded results they read.
        found: the commit.
        params: recorded, by section or key; params_changed: where the commit's params.yaml has others.
        runs: that published the recorded results, by stage.
        environment: where this one is not that of the results.
        notes: what else to know before believing the answer.
    """

    score: Score
    executions: dict[str, Execution]
    again: list[str]
    before: list[str]
    found: Found
    params: dict[str, Any]
    params_changed: dict[str, list[Any]]
    runs: dict[str, list[Run]]
    environment: list[OtherEnvironment]
    notes: list[str]

    @property
    def lineage(self) -> Lineage:
        """The state whose score it is."""
        return self.score.lineage

    @property
    def whole(self) -> bool:
        """Whether everything is run that the score follows from."""
        return self.again == list(self.executions)


def make_plan(score: Score, first: str | None = None, root: Path = Path()) -> Plan:
    """Plan a score's reproduction, from a stage where one is named.

    Raises UserError where a manifest is not to be had, the results are not of one run of the pipeline, or no commit
    has their code.
    """
    lineage = score.lineage
    needed = lineage.upstream(score.stage)
    if first is not None and first not in needed:
        raise UserError(f"--from {first}: the score follows from {', '.join(needed)}; name one of them")
    git.commit_of("HEAD", root)
    executions = {stage: lineage.execution(stage) for stage in needed}
    for link in lineage.broken(*needed)[:1]:
        raise UserError(
            f"{link.reader} was made of another {link.artifact.path} (sha256 {link.artifact.sha256[:12]}) than "
            f"{link.maker} has in {lineage.name}; bring it up to date with `dvc repro`, or name an MLflow run"
        )
    params = recorded_params(executions)
    runs = lineage.runs_by_stage(needed)
    own = "HEAD" if lineage.objects is None else f"of {lineage.name}"
    found = choose(candidates(lineage.commit, runs, own, root), executions, params, runs, root)
    again = [stage for stage in needed if first is None or stage in lineage.downstream(first)]
    parents = parents_of(lineage.stages)
    return Plan(
        score=score,
        executions=executions,
        again=again,
        before=[stage for stage in needed if stage not in again and any(stage in parents[one] for one in again)],
        found=found,
        params=params,
        params_changed=params_changed(found.params, params),
        runs=runs,
        environment=other_environment(
            {stage: executions[stage] for stage in again}, {stage: runs[stage] for stage in again}
        ),
        notes=_notes(lineage, executions, params, found, root),
    )


def _notes(
    lineage: Lineage, executions: Mapping[str, Execution], params: Mapping[str, Any], found: Found, root: Path
) -> list[str]:
    notes = []
    if lineage.tracking.problem:
        notes.append(f"{lineage.tracking.problem} (the commit was found without it)")
    if lineage.objects is None:
        head = git.head(root)
        if head and head != found.commit and (other := mismatches(head, executions, params, Sources(root))):
            stage, first = other[0]
            notes.append(f"the code of the results is not that of HEAD: {first.key} of {stage} is another")
        if lineage.dirty:
            more = f" and {len(lineage.dirty) - 1} more" if len(lineage.dirty) > 1 else ""
            notes.append(f"the workspace has uncommitted changes ({lineage.dirty[0]}{more}); the worktree has none")
    return notes
