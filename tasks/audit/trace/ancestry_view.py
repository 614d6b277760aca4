"""The ancestry of a result for people: a tree of stages, what names each of their results, and what is doubtful."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.audit.chain import Stage, short_path
from tasks.audit.show import SHORT, plain, short, size, table
from tasks.audit.trace.answers import Ancestry

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.tree import Tree

NAMED = 6  # outputs of a stage; of more, how many


def show_ancestry(out: Console, ancestry: Ancestry) -> None:
    """Print identities, shared params and doubts."""
    out.print(_identities(ancestry))
    if ancestry.retriever:
        out.print(plain(f"negatives mined by {_retriever(ancestry.retriever)}"))
    if shared := _shared_params(ancestry):
        out.print(plain(f"shared params: {shared}"))
    _doubts(out, ancestry)


def where_it_is(ancestry: Ancestry) -> str:
    """The state, its commit, and the tracked files that differ from it."""
    at = f" at commit {ancestry.commit[:10]}" if ancestry.commit and ancestry.commit[:7] not in ancestry.state else ""
    more = len(ancestry.changed_files)
    changed = f", {more} changed: {', '.join(ancestry.changed_files[:3])}{' …' if more > 3 else ''}" if more else ""
    return f"{ancestry.state}{at}{changed}"


def stages_tree(ancestry: Ancestry) -> Tree:
    """The last stage at the root; below each what it read. A stage that feeds several is told where it comes first."""
    from rich.text import Text
    from rich.tree import Tree

    by_name = {stage.name: stage for stage in ancestry.stages}
    told: set[str] = set()

    def add(branch: Tree, stage: Stage) -> None:
        told.add(stage.name)
        for line in _facts(stage):
            branch.add(Text(plain(line), style="dim"))
        makers = {link.maker for link in stage.inputs if link.maker}
        for name in sorted(makers - set(by_name)):
            branch.add(Text(plain(f"{name}: not here"), style="red"))
        for name in reversed(by_name):  # the nearest first
            if name in makers and name not in told:
                add(branch.add(Text(plain(_headline(by_name[name])), style="bold")), by_name[name])
                makers.discard(name)
        if again := [name for name in by_name if name in makers]:
            branch.add(Text(plain(f"and {', '.join(again)}, told above"), style="dim"))

    last = ancestry.stages[-1]
    root = Tree(Text(plain(_headline(last)), style="bold"))
    add(root, last)
    return root


def _headline(stage: Stage) -> str:
    return f"{stage.name} {short(stage.manifest)}"


def _facts(stage: Stage) -> list[str]:
    made = [f"{short_path(path)} {short(sha256)}" for path, sha256 in stage.outputs.items()]
    more = len(made) - NAMED
    made = made[:NAMED] + ([f"and {more} more"] if more > 0 else [])
    made += [f"{short_path(path)}/ ({one['files']} files, {size(one['bytes'])})" for path, one in stage.folders.items()]
    lines = ["made " + ", ".join(made)]
    if told := [f"{count} {name.replace('_', ' ')}" for name, count in stage.counts.items() if count]:
        lines.append(", ".join(told))
    own = stage.params.get(stage.name, {})
    if told := [f"{key} {_value(value)}" for key, value in own.items() if value not in (None, "")]:
        lines.append("with " + ", ".join(told))
    outside = [f"{link.path} {short(link.sha256)}" for link in stage.inputs if link.maker is None]
    if outside:
        lines.append(f"read from outside: {_listed(outside)}")
    if stage.changed:
        lines.append(f"changed here since it was made: {_listed(stage.changed)}")
    return lines


def _identities(ancestry: Ancestry) -> Table:
    """What names each stage's result in the manifests, in DVC, in MLflow and in git."""
    rows = []
    for stage in ancestry.stages:
        run = stage.runs[-1] if stage.runs else None
        more = f" and {len(stage.runs) - 1} more" if len(stage.runs) > 1 else ""
        commit = f"{run.commit[:SHORT]}{' with changes' if run.dirty else ''}" if run and run.commit else None
        dvc = next(iter(stage.dvc.values()), None) if len(stage.dvc) == 1 else f"{len(stage.dvc)} outs (--json)"
        rows.append([stage.name, stage.manifest[:16], dvc, f"{run.run_id}{more}" if run else None, commit])
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


def _shared_params(ancestry: Ancestry) -> str:
    """Params that several stages obey, which no stage's own section has."""
    names = {stage.name for stage in ancestry.stages}
    shared: dict[str, object] = {}
    for stage in ancestry.stages:
        for name, value in stage.params.items():
            if name.split(".")[0] not in names:
                shared |= (
                    {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
                )
    return ", ".join(f"{key} {_value(value)}" for key, value in shared.items() if value not in (None, ""))


def _doubts(out: Console, ancestry: Ancestry) -> None:
    from rich.text import Text

    for line in ancestry.broken:
        out.print(Text(plain(f"broken: {line}"), style="bold red"))
    for line in ancestry.notes:
        out.print(Text(plain(f"note: {line}"), style="yellow"))


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _value(value: object) -> str:
    return "+".join(map(str, value)) if isinstance(value, list) else str(value)
