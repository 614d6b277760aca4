"""dvc.lock against what lies there, against that of HEAD, and against the manifests."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from tasks.audit.verify.state import State
from tasks.lineage.dvc import FOLDER, LOCK
from tasks.lineage.model import Execution, manifest_path, read_manifest_file
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError


def check_lock(state: State) -> None:
    """Compare dvc.lock with the outputs that lie there, with HEAD's, and with the manifests."""
    lineage, answer = state.lineage, state.answer
    gone = {one.where for one in answer.findings if one.kind == "missing"}
    for stage, locked in lineage.lock.items():
        answer.count("entries of dvc.lock", [*locked.outs, *locked.deps, *locked.params])
        for out, md5 in locked.outs.items():
            if not gone & {out, (RESULTS / stage).as_posix()}:
                _check_out(state, out, md5, f"{LOCK} {stage} outs {out}")
    if LOCK not in answer.by_where:
        _check_head(state)
    for stage in lineage.executions.keys() & lineage.lock.keys():
        execution, locked = lineage.executions[stage], lineage.lock[stage]
        params = as_texts(execution.params)
        answer.compare_all(f"{LOCK} {stage} params", manifest_path(stage), params, as_texts(as_read(locked.params)))
        for dep, md5 in locked.deps.items():
            if dep.startswith(f"{RESULTS}/") or not state.revision:
                _check_dep(state, execution, dep, md5)


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
    lineage = state.lineage
    for stage, before in state.committed.items():
        spec, locked, execution = lineage.stages.get(stage), lineage.lock.get(stage), lineage.executions.get(stage)
        if spec is None:
            continue
        if locked is None:
            state.answer.find("missing", f"{LOCK} {stage}", f"{LOCK} of HEAD", ", ".join(before.outs.values()), None)
            continue
        for kind, stated in ("outs", spec.outs), ("deps", spec.deps):
            for path, md5 in getattr(before, kind).items():
                if path not in getattr(locked, kind) and Path(path) in stated:
                    state.answer.find("missing", f"{LOCK} {stage} {kind} {path}", f"{LOCK} of HEAD", f"md5 {md5}", None)
        if execution and before.outs != locked.outs and not lineage.runs_of(stage):
            with suppress(UserError, ValueError):  # what HEAD has is not to be had
                (md5,) = state.objects.files_at(before.outs, Path(manifest_path(stage))).values()
                outs = before.outs.keys() - {*execution.derived}
                for out in outs if same_work(read_manifest_file(state.objects.path(md5)), execution) else ():
                    _check_out(state, out, before.outs[out], f"{LOCK} of HEAD, of the same work")


def _check_dep(state: State, execution: Execution, dep: str, md5: str) -> None:
    """dvc.lock and the manifest both say what a stage read. What lies there is either that, for both, or for neither:
    then it changed since."""
    records = {path: one.sha256 for path, one in execution.used.items()} | execution.code
    recorded = {path: sha256 for path, sha256 in records.items() if path == dep or path.startswith(f"{dep}/")}
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


def as_texts(params: dict[str, Any]) -> dict[str, str]:
    """Params by dotted key, as texts that are equal where YAML, JSON and MLflow mean the same."""
    return {key: json.dumps(value, sort_keys=True, default=str) for key, value in flat(params).items()}
