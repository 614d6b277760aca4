"""What is to be run, from which commit and with which params, shown before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tasks.audit.reproduce.commits import find_commit, mismatches, params_changed
from tasks.audit.text import shortened
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.lineage.score import Score
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import parents_of
from tasks.shared.execution.tracking import environment_tags, flat
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError

TAGS = ("env.python", "env.platform", "env.machine")  # of the host's name no byte depends


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A reproduction to be."""

    request: Score = field(repr=False)
    executions: dict[str, Execution] = field(repr=False)  # of all stages that the score follows from, in their order
    runs: dict[str, list[Run]] = field(repr=False)  # that published the recorded results, by stage
    again: list[str] = field(repr=False)  # the stages to run
    before: list[str] = field(repr=False)  # those whose recorded results they read
    worktree_params: dict[str, Any] = field(repr=False)  # params.yaml to run with: the commit's, with the recorded
    state: str  # what is reproduced
    commit: str
    why: str  # this commit
    params: dict[str, Any]  # recorded, by section or key
    params_changed: dict[str, list[Any]]  # where the commit's params.yaml has others
    environment: list[dict[str, Any]]  # what was different when results of some stages were made; None: not installed
    notes: list[str]  # what else to know before believing the answer

    @property
    def whole(self) -> bool:
        """Whether everything is run that the score follows from."""
        return self.again == list(self.executions)


def make_plan(score: Score, first: str | None = None) -> Plan:
    """Plan a score's reproduction, from a stage where one is named.

    Raises UserError where a manifest is not to be had, the results are not of one run of the pipeline, or no commit
    has their code.
    """
    lineage = score.lineage
    needed = lineage.upstream(score.stage)
    if first is not None and first not in needed:
        raise UserError(f"--from {first}: the score follows from {', '.join(needed)}; name one of them")
    git.commit_of("HEAD")
    executions = {stage: lineage.execution(stage) for stage in needed}
    for link in lineage.broken(*needed)[:1]:
        raise UserError(
            f"{link.reader} was made of another {link.artifact.path} (sha256 {link.artifact.sha256[:12]}) than "
            f"{link.maker} has in {lineage.name}; bring it up to date with `dvc repro`, or name an MLflow run"
        )
    params = _recorded_params(executions)
    runs = lineage.runs_by_stage(needed)
    commit, why, written = find_commit(lineage, executions, params, runs)
    again = [stage for stage in needed if first is None or stage in lineage.downstream(first)]
    read = {maker for stage in again for maker in parents_of(lineage.stages)[stage]}
    return Plan(
        request=score,
        executions=executions,
        runs=runs,
        again=again,
        before=[stage for stage in needed if stage in read and stage not in again],
        worktree_params=overridden(written, params),
        state=lineage.name,
        commit=commit,
        why=why,
        params=params,
        params_changed=params_changed(written, params),
        environment=other_environment({stage: executions[stage] for stage in again}, runs),
        notes=list(_notes(lineage, executions, params, commit)),
    )


def _recorded_params(executions: Mapping[str, Execution]) -> dict[str, Any]:
    """Params of all stages, by section or dotted key as dvc.yaml names them.

    Raises UserError where two stages were run with different values: then they are not of one run of the pipeline.
    """
    found: dict[str, tuple[str, Any]] = {}
    for stage, execution in executions.items():
        for key, value in flat(execution.params).items():
            maker, before = found.setdefault(key, (stage, value))
            if before != value:
                raise UserError(
                    f"{maker} was run with {key} = {before} and {stage} with {value}, so no one run of the "
                    "pipeline made this score; bring it up to date with `dvc repro`, or name an MLflow run"
                )
    return {key: value for execution in executions.values() for key, value in execution.params.items()}


def other_environment(executions: Mapping[str, Execution], runs: Mapping[str, Sequence[Run]]) -> list[dict[str, Any]]:
    """Where this environment is not that of the results. Of several runs of one result, one like here is enough."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    tags = environment_tags()
    for stage, execution in executions.items():
        for name, recorded in execution.components.items():
            if (here := _installed(name)) != recorded:
                found.setdefault((name, recorded, here), []).append(stage)
        for tag in TAGS:
            values = [run.tags[tag] for run in runs.get(stage, ()) if tag in run.tags]
            if values and tags[tag] not in values:
                found.setdefault((tag, values[0], tags[tag]), []).append(stage)
    return [
        {"what": what, "recorded": recorded, "here": here, "stages": stages}
        for (what, recorded, here), stages in found.items()
    ]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _notes(
    lineage: Lineage, executions: Mapping[str, Execution], params: Mapping[str, Any], commit: str
) -> Iterator[str]:
    if lineage.tracking.problem:
        yield f"{lineage.tracking.problem} (the commit was found without it)"
    if lineage.objects is not None:
        return
    head = git.head()
    for stage, first in mismatches(head, executions, params)[:1] if head and head != commit else []:
        yield f"the code of the results is not that of HEAD: {first.key} of {stage} is another"
    if lineage.dirty:
        files = shortened(", ".join(lineage.dirty), 100)
        yield f"the workspace has uncommitted changes ({files}); the worktree has none"
