"""The stages that a result follows from, as its manifest, DVC, MLflow and git know each; what is doubtful of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.audit.rows import rows
from tasks.audit.text import Line, Table, short
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json


@dataclass(frozen=True)
class Ancestry:
    """Where a result is and what it follows from."""

    executions: list[Execution] = field(repr=False)  # as each feeds the next, the last of which made the result
    runs: dict[str, list[Run]] = field(repr=False)  # MLflow's of each, the oldest first
    state: str
    commit: str | None
    changed_files: list[str]  # tracked files of the workspace that differ from the commit
    stages: list[dict[str, Any]]  # all that is known of each execution, for programs
    broken: list[str]  # links that do not hold
    notes: list[str]  # what could not be told, and what to beware of
    retriever: dict[str, Any] | None  # the model that mined the negatives; None where none did

    @property
    def where(self) -> str:
        """The state, its commit, and the tracked files that differ from it."""
        at = f" at commit {self.commit[:10]}" if self.commit and self.commit[:7] not in self.state else ""
        more = len(self.changed_files)
        changed = f", {more} changed: {', '.join(self.changed_files[:3])}{' …' * (more > 3)}" if more else ""
        return f"{self.state}{at}{changed}"

    def shown(self) -> Iterator[Table | Line | str | None]:
        """What names each stage's result in the manifests, in DVC, in MLflow and in git; the retriever; doubts."""
        found = []
        for stage in self.stages:
            runs, dvc = stage["runs"], stage["dvc"]
            run = runs[-1] if runs else None
            more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
            named = {
                "stage": stage["stage"],
                "manifest sha256": stage["digest"],
                "DVC md5": next(iter(dvc.values()), None) if len(dvc) == 1 else f"{len(dvc)} outs (--json)",
                "MLflow run": run and run.run_id + more,
                "run at commit": run and run.commit and short(run.commit) + " with changes" * run.dirty,
            }
            found.append(named)
        yield rows("What names each stage's result (in full: --json)", found, len(found))
        if self.retriever:
            facts = {name: value for name, value in self.retriever.items() if value not in (None, "")}
            model = facts.pop("model", None)
            yield f"negatives mined by {', '.join([str(model), *valued(facts)])}"
        yield from (Line(f"broken: {line}", "bold red") for line in self.broken)
        yield from (Line(f"note: {line}", "yellow") for line in self.notes)


def valued(facts: dict[str, Any]) -> list[str]:
    """Names with their values, of those that have one; digests are cut."""
    there = {name: one for name, one in facts.items() if one not in (None, "")}
    return [f"{name} {short(one) if name in ('digest', 'revision') else one}" for name, one in there.items()]


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
