"""Files of the results against manifests and dvc.lock, these against each other; what changed since the stages ran."""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Kind, Note
from tasks.audit.verify.state import State
from tasks.lineage.dvc import FOLDER, LOCK, PARAMS, parse_lock
from tasks.lineage.model import Execution, manifest_path, read_manifest_file
from tasks.shared.artifacts.publish import FILES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError


def check_files(state: State) -> None:
    """Compare every file of the results with the manifest of its stage; find those that none names.

    A manifest of another stage is not believed.
    """
    lineage, answer, known = state.lineage, state.answer, set[str]()
    unlisted = set(answer.by_where)  # folders of which is not known what belongs there

    def listed(path: str) -> bool:
        return unlisted.isdisjoint(map(str, Path(path).parents))

    for stage in lineage.stages:
        folder, own, execution = (RESULTS / stage).as_posix(), manifest_path(stage), lineage.executions.get(stage)
        if execution and (execution.stage != stage or any(one.maker != stage for one in execution.generated.values())):
            answer.find("unreadable", own, "a manifest of its stage", None, f"sha256 {execution.digest}")
            del lineage.executions[stage]
        elif not execution and not state.below(folder):
            if stage not in lineage.lock:
                answer.unchecked(folder, f"it is not here and {LOCK} has no {stage}")
            else:
                md5s, todo = ", ".join(lineage.outs_of(stage).values()), "run `dvc checkout`, `dvc pull` or `dvc fetch`"
                answer.find("missing", folder, f"{LOCK} {stage} outs", f"md5 {md5s}", None, todo)
        elif not execution and own not in answer.by_where:
            kind: Kind = "unreadable" if own in state.files else "missing"  # a revision's, damaged in the cache
            answer.find(kind, own, "every published stage has one", None, None)
        if stage not in lineage.executions:
            unlisted.add(folder)
            continue
        outputs, unnamed = state.outputs(stage)
        outputs[own] = lineage.executions[stage].digest
        for path in unnamed:
            answer.unchecked(path, f"{folder}/{FILES}, which names its files, is not as recorded")
        for path in filter(listed, outputs):  # what is in another folder was said of that
            state.compare(path, own, f"sha256 {outputs[path]}")
        known |= outputs.keys()
        unlisted |= {*unnamed, *lineage.executions[stage].derived}
        state.count("results", map(state.digest, outputs))
    for path in state.files:
        if path not in known and listed(path):
            owner, found = path.split("/")[1], state.digest(path)
            record = manifest_path(owner) if owner in lineage.executions else "the stages of dvc.yaml"
            answer.find("extra", path, record, None, found.sha256 and f"sha256 {found.sha256}", found.reason)


def check_links(state: State) -> None:
    """Compare what every stage read, by its manifest, with what lies there.

    A later run of an earlier stage makes the result stale and not false, which is a note. What is known to be wrong
    gets one more record that says so.
    """
    answer = state.answer
    for link in state.lineage.links():
        path, own = link.artifact.path, manifest_path(link.reader)
        if path in answer.by_where or (link.maker is None and not state.revision):
            state.compare(path, own, f"sha256 {link.artifact.sha256}")
        elif link.maker and state.digest(path).sha256 not in (None, link.artifact.sha256) and not answer.wrong(own):
            todo = f"it is not what {link.reader} read; `dvc repro {link.reader}` makes that again"
            answer.notes.append(Note("changed since", path, todo))


def check_lock(state: State) -> None:
    """Compare dvc.lock with the outputs that lie there, with HEAD's, and with the manifests."""
    lineage, answer = state.lineage, state.answer
    gone = {one.where for one in answer.findings if one.kind == "missing"}
    for stage, locked in lineage.lock.items():
        answer.checked["entries of dvc.lock"] += len(locked.outs) + len(locked.deps) + len(locked.params)
        for out, md5 in locked.outs.items():
            if not gone & {out, (RESULTS / stage).as_posix()}:
                _check_out(state, out, md5, f"{LOCK} {stage} outs {out}")
        if execution := lineage.executions.get(stage):
            params, own = as_texts(as_read(locked.params)), manifest_path(stage)
            answer.compare_all(f"{LOCK} {stage} params", own, as_texts(execution.params), params)
    if not state.revision and LOCK not in answer.by_where:
        _check_head(state)
    for stage in lineage.executions.keys() & lineage.lock.keys():
        for dep, md5 in lineage.lock[stage].deps.items():
            if dep.startswith(f"{RESULTS}/") or not state.revision:
                _check_dep(state, lineage.executions[stage], dep, md5)


def _check_out(state: State, out: str, md5: str, record: str) -> None:
    found = state.md5(out)
    if found == md5:
        return
    listing = state.listing(md5)
    if listing is not None:
        for name in sorted({*listing, *state.below(out)}):
            state.compare(f"{out}/{name}", record, f"md5 {listing[name]}" if name in listing else None)
    elif not md5.endswith(FOLDER):
        state.compare(out, record, f"md5 {md5}")
    else:
        remark = "DVC's cache has no list of its files, so the file cannot be named"
        state.answer.compare(out, record, f"md5 {md5}", found and f"md5 {found}", remark)


def _check_head(state: State) -> None:
    """Find what dvc.yaml states and dvc.lock of HEAD has, and dvc.lock has not.

    The outputs of a stage that did the same work for both must be those of HEAD, if no run says that it published them:
    equal work gives equal bytes.
    """
    lineage, head = state.lineage, f"{LOCK} of HEAD"
    with suppress(UserError):
        state.committed = parse_lock((lineage.commit and git.file_at(lineage.commit, LOCK)) or "", LOCK)
    for stage in sorted(state.committed.keys() & lineage.stages.keys()):
        spec, before, locked = lineage.stages[stage], state.committed[stage], lineage.lock.get(stage)
        if locked is None:
            state.answer.find("missing", f"{LOCK} {stage}", head, ", ".join(before.outs.values()), None)
            continue
        for kind, stated in ("outs", spec.outs), ("deps", spec.deps):
            for path, md5 in getattr(before, kind).items():
                if path not in getattr(locked, kind) and Path(path) in stated:
                    state.answer.find("missing", f"{LOCK} {stage} {kind} {path}", head, f"md5 {md5}", None)
        execution = lineage.executions.get(stage)
        if execution and before.outs != locked.outs and not lineage.runs_of(stage):
            files = dict(before.outs)
            for out, folder in before.outs.items():
                files |= {f"{out}/{name}": md5 for name, md5 in (state.listing(folder) or {}).items()}
            with suppress(UserError, KeyError):  # what HEAD has is not in the cache
                there = state.objects.has(md5 := files[manifest_path(stage)])
                outs = sorted(before.outs.keys() - {*execution.derived})
                for out in outs if there and same_work(read_manifest_file(state.objects.path(md5)), execution) else ():
                    _check_out(state, out, before.outs[out], f"{head}, of the same work")


def _check_dep(state: State, execution: Execution, dep: str, md5: str) -> None:
    """dvc.lock and the manifest both say what a stage read. What lies there is either that, for both, or for neither:
    then it changed since."""
    records = {path: one.sha256 for path, one in execution.used.items()} | execution.code
    recorded = {path: sha256 for path, sha256 in records.items() if f"{path}/".startswith(f"{dep}/")}
    inside = dep.startswith(f"{RESULTS}/")
    paths = recorded if inside or Path(dep).is_file() else [f"{dep}/{name}" for name in state.below(dep)]
    now = {path: state.digest(path).sha256 for path in paths}
    if not recorded or not (inside or dep.startswith("tasks/") or now.keys() == recorded.keys()):
        return  # of another folder the stage may not read all
    found = state.md5(dep)
    if found is not None and (found == md5) != (now == recorded) and not state.answer.wrong(dep):
        others = [f"{path} sha256 {sha256}" for path, sha256 in recorded.items() if now.get(path) != sha256]
        where, expected = f"{LOCK} {execution.stage} deps {dep}", ", ".join(others) or f"md5 {found}"
        state.answer.find("altered", where, manifest_path(execution.stage), expected, f"md5 {md5}")


def same_work(one: Execution, other: Execution) -> bool:
    """Whether two executions had the same inputs, params, code and versions."""
    works = [(each.used, each.params, each.code, each.components) for each in (one, other)]
    return works[0] == works[1]


def as_texts(params: dict[str, Any], before: str = "") -> dict[str, str]:
    """Params by dotted key, as texts that are equal where YAML, JSON and MLflow mean the same."""
    return {before + key: json.dumps(value, sort_keys=True, default=str) for key, value in flat(params).items()}


def note_changes(state: State) -> None:
    """Note which code, params and component versions are not those that the results were made with."""
    changed: dict[tuple[str, str], list[str]] = defaultdict(list)
    params = as_texts(as_read(state.lineage.params), f"{PARAMS} ")
    for stage, execution in state.lineage.executions.items():
        before = as_texts(execution.params, f"{PARAMS} ") | execution.components
        now = {key: params[key] for key in before if key in params}
        now |= {name: _version(name) for name in execution.components}
        if not state.revision:
            code = {*execution.code, *(path.as_posix() for path in state.lineage.stages[stage].code)}
            before |= {path: sha256[:12] for path, sha256 in execution.code.items()}
            now |= {path: sha256[:12] for path in code if (sha256 := state.digest(path).sha256)}
        for where in sorted({*before, *now}):
            was, here = before.get(where, "not there"), now.get(where, "not there")
            if was != here:
                changed[where, f"it was {was}, it is {here}"].append(stage)
    for (where, what), stages in changed.items():
        state.answer.notes.append(Note("changed since", where, f"{what}; read by {', '.join(stages)}"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
