"""The stages that a result follows from, as its manifest, DVC, MLflow and git know each; what is doubtful of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from tasks.audit.text import SHORT, Line, Table, Tree, short, show, size, table, tree
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run, short_path
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

RETRIEVER = RESULTS / "mine" / "retriever.json"
NAMED = 6  # outputs of a stage that are named; of more, how many


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
        stages=facts_of_stages(lineage, executions, runs),
        broken=broken_links(lineage, names),
        notes=notes,
        retriever=retriever,
    )


def broken_links(lineage: Lineage, readers: Iterable[str]) -> list[str]:
    """What some stages read that is not what its maker made, in words."""
    names = set(readers)
    return [
        f"{link.reader} read another {link.artifact.path} (sha256 {link.artifact.sha256}) than {link.maker} made "
        "that is here"
        for link in lineage.broken()
        if link.reader in names
    ]


def facts_of_stages(
    lineage: Lineage, executions: Iterable[Execution], runs: dict[str, list[Run]] | None = None
) -> list[dict[str, Any]]:
    """All that is known of some executions, as answers in JSON tell it."""
    executions = list(executions)
    runs = runs or lineage.runs_by_stage(one.stage for one in executions)
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


def where_it_is(found: Ancestry) -> str:
    """The state, its commit, and the tracked files that differ from it."""
    at = f" at commit {found.commit[:10]}" if found.commit and found.commit[:7] not in found.state else ""
    more = len(found.changed_files)
    changed = f", {more} changed: {', '.join(found.changed_files[:3])}{' …' if more > 3 else ''}" if more else ""
    return f"{found.state}{at}{changed}"


def show_ancestry(found: Ancestry) -> None:
    """Print identities, shared params and doubts."""
    show(_identities(found))
    if found.retriever:
        show(f"negatives mined by {_retriever(found.retriever)}")
    if shared := _shared_params(found.executions):
        show(f"shared params: {shared}")
    show(Line(f"broken: {line}", "bold red") for line in found.broken)
    show(Line(f"note: {line}", "yellow") for line in found.notes)


def stages_tree(found: Ancestry) -> Tree:
    """The last stage at the root; below each what it read. A stage that feeds several is told where it comes first."""
    by_name = {one["name"]: one for one in found.stages}
    told: set[str] = set()

    def add(branch: Tree, stage: dict[str, Any]) -> None:
        told.add(stage["name"])
        for line in _facts(stage):
            branch.add(line, style="dim")
        makers = {one["maker"] for one in stage["inputs"] if one["maker"]}
        for name in sorted(makers - set(by_name)):
            branch.add(f"{name}: not here", style="red")
        for name in reversed(by_name):  # the nearest first
            if name in makers and name not in told:
                add(branch.add(_headline(by_name[name]), style="bold"), by_name[name])
                makers.discard(name)
        if again := [name for name in by_name if name in makers]:
            branch.add(f"and {', '.join(again)}, told above", style="dim")

    root = tree(_headline(found.stages[-1]), style="bold")
    add(root, found.stages[-1])
    return root


def _headline(stage: dict[str, Any]) -> str:
    return f"{stage['name']} {short(stage['manifest'])}"


def _facts(stage: dict[str, Any]) -> list[str]:
    made = [f"{short_path(path)} {short(sha256)}" for path, sha256 in stage["outputs"].items()]
    more = len(made) - NAMED
    made = made[:NAMED] + ([f"and {more} more"] if more > 0 else [])
    folders = stage["folders"].items()
    made += [f"{short_path(path)}/ ({one['files']} files, {size(one['bytes'])})" for path, one in folders]
    found = ["made " + ", ".join(made)]
    if counts := [f"{count} {name.replace('_', ' ')}" for name, count in stage["counts"].items() if count]:
        found.append(", ".join(counts))
    own = stage["params"].get(stage["name"], {})
    if params := [f"{key} {_value(value)}" for key, value in own.items() if value not in (None, "")]:
        found.append("with " + ", ".join(params))
    outside = [f"{one['path']} {short(one['sha256'])}" for one in stage["inputs"] if one["maker"] is None]
    if outside:
        found.append(f"read from outside: {_listed(outside)}")
    if stage["changed"]:
        found.append(f"changed here since it was made: {_listed(stage['changed'])}")
    return found


def _identities(found: Ancestry) -> Table:
    """What names each stage's result in the manifests, in DVC, in MLflow and in git."""
    rows = []
    for stage in found.stages:
        runs, dvc = stage["runs"], stage["dvc"]
        run = runs[-1] if runs else None
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        commit = f"{run.commit[:SHORT]}{' with changes' if run.dirty else ''}" if run and run.commit else None
        md5 = next(iter(dvc.values()), None) if len(dvc) == 1 else f"{len(dvc)} outs (--json)"
        rows.append([stage["name"], stage["manifest"][:16], md5, f"{run.run_id}{more}" if run else None, commit])
    columns = ["stage", "manifest sha256", "DVC md5", "MLflow run", "run at commit"]
    return table("What names each stage's result (in full: --json)", columns, rows)


def _retriever(found: dict[str, Any]) -> str:
    """The model with what identifies its weights, its licence, and what it read of videos where that was chosen."""
    at = f" at {short(found['revision'])}" if found.get("revision") else ""
    parts = [f"{found.get('model')}{at}"]
    parts += [f"adapter {found['adapter']}"] if found.get("adapter") else []
    parts += [f"digest {short(found.get('digest'))}"] if found.get("digest") else []
    parts += [f"licence {found['licence']}"] if found.get("licence") else []
    parts += [f"over {', '.join(found['modalities'])}"] if found.get("modalities") else []
    return ", ".join(parts)


def _shared_params(executions: list[Execution]) -> str:
    """Params that several stages obey, which no stage's own section has."""
    names = {one.stage for one in executions}
    shared: dict[str, object] = {}
    for name, value in ((name, value) for one in executions for name, value in one.params.items()):
        if name.split(".")[0] not in names:
            inner = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
            shared |= inner
    return ", ".join(f"{key} {_value(value)}" for key, value in shared.items() if value not in (None, ""))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _value(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
