"""The stages that a result follows from as text: identities, a tree, and what is doubtful of them."""

from __future__ import annotations

from typing import Any

from tasks.audit.ancestry import Ancestry
from tasks.audit.text import SHORT, Line, Table, Tree, short, show, size, table, tree
from tasks.audit.trace.trace import ScoreTrace
from tasks.lineage.model import Execution, short_path

NAMED = 6  # outputs of a stage that are named; of more, how many


def show_score(trace: ScoreTrace) -> None:
    """A number and the tree of all that it follows from."""
    head = trace.note or f"the result of stage {trace.measure}"
    if trace.value is not None:
        interval = f" [{trace.interval[0]:.4f}, {trace.interval[1]:.4f}]" if trace.interval else ""
        head = f"{trace.measure} {trace.value:.4f}{interval} of {trace.system}"
        head += f": {trace.queries} queries over {trace.videos} videos"
    show(f"{head} ({where_it_is(trace.ancestry)})", stages_tree(trace.ancestry))
    show_ancestry(trace.ancestry)
    if trace.value is not None:
        show("Down to one video: reeltrace audit trace QUERY:VIDEO. All digests: --json. Are they true: verify.")


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
