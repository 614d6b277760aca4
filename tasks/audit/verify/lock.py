"""dvc.lock against what lies there, against that of HEAD, and against the manifests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.digests import Digest
from tasks.audit.verify.state import State, folder_md5
from tasks.lineage.dvc import FOLDER, LOCK, LockedStage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.model import Execution, manifest_path
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import canonical_json, files_under


def check_lock(state: State, answer: Answer) -> None:
    """Compare dvc.lock with the outputs that lie there, with HEAD's, and with the manifests."""
    lineage, gone = state.lineage, {one.where for one in answer.findings if one.kind == "missing"}
    for stage, locked in lineage.lock.items():
        for out, md5 in locked.outs.items():
            answer.count("outputs in dvc.lock")
            if not gone & {out, (RESULTS / stage).as_posix()}:
                _check_out(state, answer, out, md5, f"{LOCK} {stage} outs {out}")
    if LOCK not in answer.by_where:
        _check_entries(state, answer)
    for stage, execution in lineage.executions.items():
        if stage in lineage.lock:
            _check_params(answer, execution, lineage.lock[stage])
            for dep, md5 in lineage.lock[stage].deps.items():
                answer.count("dependencies in dvc.lock")
                if dep.startswith(f"{RESULTS}/") or not state.revision:
                    _check_dep(state, answer, execution, dep, md5)


def _check_entries(state: State, answer: Answer) -> None:
    """Find what dvc.yaml states and dvc.lock of HEAD has, and dvc.lock has not."""
    for stage, before in state.committed.items():
        spec, locked = state.lineage.stages.get(stage), state.lineage.lock.get(stage)
        if spec is not None and locked is None:
            answer.find("missing", f"{LOCK} {stage}", f"{LOCK} of HEAD", ", ".join(before.outs.values()), None)
        elif spec is not None and locked is not None:
            for kind, stated, there in (("outs", spec.outs, locked.outs), ("deps", spec.deps, locked.deps)):
                for path, md5 in getattr(before, kind).items():
                    if Path(path) in stated and path not in there:
                        answer.find("missing", f"{LOCK} {stage} {kind} {path}", f"{LOCK} of HEAD", f"md5 {md5}", None)


def _check_out(state: State, answer: Answer, out: str, md5: str, record: str) -> None:
    found = state.md5(out, md5)
    if found == md5 and not state.revision:
        return
    listing = state.listing(md5)
    if listing is not None:
        for name in sorted({*listing, *state.below(out)}):
            state.compare(answer, f"{out}/{name}", f"md5 {listing[name]}" if name in listing else None, record)
    elif not md5.endswith(FOLDER):
        state.compare(answer, out, f"md5 {md5}", record)
    else:
        remark = "DVC's cache has no list of its files, so the file cannot be named"
        answer.find("altered" if found else "missing", out, record, f"md5 {md5}", found and f"md5 {found}", remark)


def _check_params(answer: Answer, execution: Execution, locked: LockedStage) -> None:
    recorded, found = as_texts(execution.params), as_texts(as_read(locked.params))
    answer.count("params in dvc.lock", len(recorded))
    answer.compare_all(f"{LOCK} {execution.stage} params", manifest_path(execution.stage), recorded, found)


def _check_dep(state: State, answer: Answer, execution: Execution, dep: str, md5: str) -> None:
    """dvc.lock and the manifest both say what a stage read. What lies there is either that, for both, or for neither:
    then it changed since."""
    records = {path: one.sha256 for path, one in execution.used.items()} | execution.code
    recorded = {path: sha256 for path, sha256 in records.items() if path == dep or path.startswith(f"{dep}/")}
    if dep.startswith(f"{RESULTS}/"):
        now, found = {path: state.sha256(path) for path in recorded}, state.md5(dep, md5)
    else:
        files = {file.as_posix(): state.digests.of(file) for file in sources(dep)}
        now = {path: one.sha256 for path, one in files.items() if isinstance(one, Digest)}
        if not dep.startswith("tasks/") and now.keys() != recorded.keys():
            return  # a folder of which the stage did not read all
        whole = folder_md5(state.digests, {str(Path(path).relative_to(dep)): Path(path) for path in files})
        alone = files.get(dep)
        found = alone.md5 if isinstance(alone, Digest) else whole
    if found is None or not recorded or (found == md5) == (now == recorded) or answer.wrong(dep):
        return
    others = [f"{path} sha256 {sha256}" for path, sha256 in recorded.items() if now.get(path) != sha256]
    expected = ", ".join(others) or f"md5 {found}"
    answer.find(
        "altered", f"{LOCK} {execution.stage} deps {dep}", manifest_path(execution.stage), expected, f"md5 {md5}"
    )


def sources(dep: str) -> list[Path]:
    """Files of a dependency outside the results, without those that .dvcignore keeps from DVC."""
    found = files_under(Path(dep)) if Path(dep).exists() else []
    return [file for file in found if "__pycache__" not in file.parts and file.suffix not in (".pyc", ".pyo", ".pyd")]


def check_same_work(state: State, answer: Answer) -> None:
    """Compare a result that HEAD does not record, and no run says that it published, with what was recorded before of
    the same inputs, params, code and versions: equal work gives equal bytes."""
    for stage, execution in state.lineage.executions.items() if not state.revision else ():
        before = state.committed.get(stage)
        if (before is not None and before.outs == state.lineage.outs_of(stage)) or state.lineage.runs_of(stage):
            continue
        for record, other in _recorded_before(state, stage):
            if other.digest != execution.digest and _work(other) == _work(execution):
                where, expected = manifest_path(stage), {path: one.sha256 for path, one in other.generated.items()}
                answer.find("altered", where, record, f"sha256 {other.digest}", f"sha256 {execution.digest}")
                for path in sorted({*expected, *execution.generated}):
                    state.compare(answer, path, f"sha256 {expected[path]}" if path in expected else None, record)


def _recorded_before(state: State, stage: str) -> Iterator[tuple[str, Execution]]:
    """A stage's manifests as MLflow's runs kept them, and as DVC's cache has that of HEAD."""
    for run in state.lineage.tracking.of_stages([stage]):
        folder = local(run.artifacts)
        with suppress(UserError):
            copy = read_manifest_file(folder / MANIFEST) if folder is not None else None
            if copy is not None and copy.digest == run.manifest:
                yield f"MLflow run {run.run_id}, which did the same work", copy
    for out, md5 in state.committed[stage].outs.items() if stage in state.committed else ():
        one = md5 if out == manifest_path(stage) else (state.listing(md5) or {}).get(MANIFEST)
        with suppress(UserError):
            if one is not None and state.objects.has(one):
                yield f"{LOCK} of HEAD, of the same work", read_manifest_file(state.objects.path(one))


def _work(execution: Execution) -> tuple[object, ...]:
    return execution.used, execution.params, execution.code, execution.components


def local(address: str) -> Path | None:
    """The folder of an address on this machine; None for one elsewhere."""
    parsed = urlparse(address)
    if parsed.scheme == "file":
        return Path(unquote(parsed.path))
    return None if parsed.scheme else Path(address)


def as_texts(params: dict[str, Any]) -> dict[str, str]:
    """Params by dotted key, as texts that are equal where YAML, JSON and MLflow mean the same."""
    return {key: _as_text(value) for key, value in flat(params).items()}


def _as_text(value: Any) -> str:
    try:
        return canonical_json(value)
    except (TypeError, ValueError):  # a date, say, which YAML reads where a text was edited
        return str(value)
