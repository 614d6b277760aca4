"""The stages that a result follows from as text: identities, a tree, and what is doubtful of them."""

from __future__ import annotations

from typing import Any

from tasks.audit.ancestry import Ancestry
from tasks.audit.text import SHORT, Line, Tree, short, show, size, table, tree
from tasks.audit.trace.trace import ScoreTrace
from tasks.lineage.model import Execution, short_path
from tasks.shared.execution.tracking import flat

NAMED = 6  # outputs of a stage that are named; of more, how many


def show_score(trace: ScoreTrace) -> None:
    """A number and the tree of all that it follows from."""
    head = trace.note or f"the result of stage {trace.measure}"
    if trace.value is not None:
        interval = f" [{trace.interval[0]:.4f}, {trace.interval[1]:.4f}]" if trace.interval else ""
        head = f"{trace.measure} {trace.value:.4f}{interval} of {trace.system}"
        head += f": {trace.queries} queries over {trace.videos} videos"
    above = trace.ancestry
    show(f"{head} ({where_it_is(above)}) follows from")
    show(_stage(one, facts["changed"], above) for one, facts in zip(above.executions, above.stages, strict=True))
    show_ancestry(above)
    if trace.value is not None:
        show("Down to one video: reeltrace audit trace QUERY:VIDEO. All digests: --json. Are they true: verify.")


def where_it_is(found: Ancestry) -> str:
    """The state, its commit, and the tracked files that differ from it."""
    at = f" at commit {found.commit[:10]}" if found.commit and found.commit[:7] not in found.state else ""
    more = len(found.changed_files)
    changed = f", {more} changed: {', '.join(found.changed_files[:3])}{' …' if more > 3 else ''}" if more else ""
    return f"{found.state}{at}{changed}"


def show_ancestry(found: Ancestry) -> None:
    """Print what names each stage's result in the manifests, in DVC, in MLflow and in git; the retriever; doubts."""
    rows = []
    for stage in found.stages:
        runs, dvc = stage["runs"], stage["dvc"]
        run = runs[-1] if runs else None
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        commit = f"{run.commit[:SHORT]}{' with changes' if run.dirty else ''}" if run and run.commit else None
        md5 = next(iter(dvc.values()), None) if len(dvc) == 1 else f"{len(dvc)} outs (--json)"
        rows.append([stage["stage"], stage["digest"][:16], md5, f"{run.run_id}{more}" if run else None, commit])
    columns = ["stage", "manifest sha256", "DVC md5", "MLflow run", "run at commit"]
    show(table("What names each stage's result (in full: --json)", columns, rows))
    if found.retriever:
        model, *facts = _values({"model": None, **found.retriever})
        show(f"negatives mined by {', '.join([model.removeprefix('model '), *facts])}")
    show(Line(f"broken: {line}", "bold red") for line in found.broken)
    show(Line(f"note: {line}", "yellow") for line in found.notes)


def _stage(one: Execution, changed: list[str], above: Ancestry) -> Tree:
    """A stage, what it made of what, and what changed since."""
    here = [each.stage for each in above.executions]
    read = dict.fromkeys(each.maker for each in one.used.values() if each.maker)
    outside = [f"{each.path} {short(each.sha256)}" for each in one.used.values() if each.maker is None]
    made = _listed([f"{short_path(path)} {short(each.sha256)}" for path, each in one.generated.items()])
    for path, each in one.folders.items():
        made += f", {short_path(path)}/ ({each['files']} files, {size(each['bytes'])})"
    params = {key.removeprefix(f"{one.stage}."): value for key, value in flat(one.params).items()}
    facts = {
        "read ": ", ".join(maker if maker in here else f"{maker} (not here)" for maker in read),
        "read from outside: ": _listed(outside),
        "made ": made,
        "": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in one.counts.items() if count),
        "with ": ", ".join(_values(params)),
        "changed here since it was made: ": _listed(changed),
    }
    lines = [what + text for what, text in facts.items() if text]
    return tree(f"{one.stage} {short(one.digest)}", lines, style="bold")


def _values(facts: dict[str, Any]) -> list[str]:
    """Names with their values, of those that have one; digests are cut."""
    there = {name: one for name, one in flat(facts).items() if one not in (None, "")}
    return [f"{name} {short(one) if name in ('digest', 'revision') else one}" for name, one in there.items()]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
