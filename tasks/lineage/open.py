"""Opening a lineage: of the workspace, of a revision of git, or of what an MLflow run was made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from tasks.lineage.dvc import LOCK, PARAMS, LockedStage, Objects, parse_lock
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Execution, Run, manifest_path, value_at
from tasks.lineage.runs import published_by, runs_above
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json


def workspace(
    root: Path = Path(), tracking: Tracking | None = None, unreadable: dict[str, str] | None = None
) -> Lineage:
    """The state that lies in the workspace.

    Args:
        unreadable: where given, a manifest or dvc.lock that cannot be read is put here, with the reason by its path,
            and is not part of the state.

    Raises UserError where this is no project of reeltrace, or a record cannot be read.
    """
    stages, params = _project(_text(root / DVC_FILE), _text(root / PARAMS))
    executions: dict[str, Execution] = {}
    missing: dict[str, str] = {}
    lock: dict[str, LockedStage] = {}
    damaged: dict[str, str] = {}
    for stage in stages:
        path = manifest_path(stage)
        if not (root / path).is_file():
            todo = f"run `dvc checkout` (or `dvc pull`), or `dvc repro {stage}`"
            missing[stage] = f"{RESULTS / stage} is not here; {todo}"
            continue
        try:
            executions[stage] = read_manifest_file(root / path)
        except UserError as error:
            damaged[path] = missing[stage] = str(error)
    if (root / LOCK).is_file():
        try:
            lock = parse_lock((root / LOCK).read_bytes(), LOCK)
        except UserError as error:
            damaged[LOCK] = str(error)
    if unreadable is None and damaged:
        raise UserError(next(iter(damaged.values())))
    if unreadable is not None:
        unreadable |= damaged
    return Lineage(
        "workspace",
        root,
        tracking or Tracking(root=root),
        executions,
        stages,
        params,
        missing,
        outs=_outs(lock.values()),
        lock=lock,
        commit=git.head(root),
        dirty=git.changed_files(root),
    )


def published(stages: Iterable[str], results: Path = RESULTS) -> Lineage:
    """What lies in a results folder, by its manifests alone: nothing is asked of dvc.lock, MLflow or git.

    Raises UserError where a stage has no manifest there.
    """
    executions = {stage: read_manifest_file(results / stage / MANIFEST) for stage in stages}
    return Lineage(str(results), results.parent, Tracking(root=results.parent), executions)


def revision(rev: str, root: Path = Path(), tracking: Tracking | None = None) -> Lineage:
    """The state that a commit records. Raises UserError where there is no such commit, or it has no dvc.lock."""
    commit = git.commit_of(rev, root)
    texts = {name: git.file_at(commit, name, root) for name in (str(DVC_FILE), PARAMS, LOCK)}
    for name, text in texts.items():
        if text is None:
            todo = "; commit it after `dvc repro`, it is what a revision's results are found by" if name == LOCK else ""
            raise UserError(f"revision {rev} has no {name}{todo}")
    lock = parse_lock(str(texts[LOCK]), f"{LOCK} of {rev}")
    stages, params = _project(str(texts[str(DVC_FILE)]), str(texts[PARAMS]))
    lineage = Lineage(
        f"revision {rev}" if commit.startswith(rev) else f"revision {rev} ({commit[:10]})",
        _snapshot(commit),
        tracking or Tracking(root=root),
        stages=stages,
        params=params,
        outs=_outs(lock.values()),
        lock=lock,
        commit=commit,
        objects=Objects(root),
    )
    for stage in lineage.stages:
        try:
            lineage.executions[stage] = read_manifest_file(lineage.need(RESULTS / stage / MANIFEST))
        except UserError as error:
            lineage.missing[stage] = str(error)
    return lineage


def of_run(run_id: str, root: Path = Path(), tracking: Tracking | None = None) -> Lineage:
    """The state that an MLflow run was made of: its own result, and by digest the results that it read.

    Where that is what lies in the workspace, it is the workspace. Raises UserError for an unknown run, and for one
    that published nothing.
    """
    tracking = tracking or Tracking(root=root)
    found = tracking.get(run_id)
    if found is None:
        raise UserError(tracking.problem or f"MLflow has no run {run_id}; `make ui` lists the runs")
    if found.manifest is None:
        raise UserError(f"run {run_id} of {found.stage} published nothing (it is {found.status.lower()})")
    here = workspace(root, tracking)
    own = here.executions.get(found.stage)
    if own and own.digest == found.manifest and not here.broken(*here.upstream(found.stage)):
        return here
    objects = Objects(root)
    chain = runs_above(found, tracking, objects)
    executions = {stage: published_by(chain[stage], objects) for stage in here.stages if stage in chain}
    unknown = f"that run {run_id} was made of is known to MLflow"
    return Lineage(
        f"run {run_id}",
        _snapshot(sha256_json(sorted(one.run_id for one in chain.values()))[:40]),
        tracking,
        executions,
        here.stages,
        params=_recorded(executions.values()),
        missing={stage: f"no run of {stage} {unknown}" for stage in here.stages if stage not in chain},
        outs=_outs(chain.values()),
        commit=found.commit,
        dirty=["when it ran, tracked files differed from the commit"] if found.dirty else [],
        objects=objects,
    )


def _outs(recorded: Iterable[LockedStage | Run]) -> dict[str, str]:
    return {path: md5 for one in recorded for path, md5 in one.outs.items()}


def _snapshot(name: str) -> Path:
    """Where the files of a state that is not the workspace's are brought."""
    return store_folder().absolute() / "snapshots" / name


def _recorded(manifests: Iterable[Execution]) -> dict[str, Any]:
    """Params as manifests have them, by section."""
    params: dict[str, Any] = {}
    for manifest in manifests:
        for dotted, value in manifest.params.items():
            *sections, key = dotted.split(".")
            place = params
            for section in sections:
                place = place.setdefault(section, {})
            place[key] = value
    return params


def _project(dvc_yaml: str, params_yaml: str) -> tuple[dict[str, StageSpec], dict[str, Any]]:
    """The stages and params of a state. Params are not checked: another version's may be other ones."""
    params: dict[str, Any] = yaml.safe_load(params_yaml)
    return stages_of(dvc_yaml, lambda key: value_at(params, key)), params


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None
