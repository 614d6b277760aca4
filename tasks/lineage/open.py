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
from tasks.lineage.model import Execution, manifest_path, value_at
from tasks.lineage.runs import published_by, runs_above
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.pipeline import DVC_FILE, StageSpec, stages_of, upstream_of
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
    manifests: dict[str, Execution] = {}
    missing: dict[str, str] = {}
    lock: dict[str, LockedStage] = {}
    for stage in stages:
        if not (root / manifest_path(stage)).is_file():
            missing[stage] = (
                f"{RESULTS / stage} is not here; run `dvc checkout` (or `dvc pull`), or `dvc repro {stage}`"
            )
            continue
        try:
            manifests[stage] = read_manifest_file(root / manifest_path(stage))
        except UserError as error:
            if unreadable is None:
                raise
            unreadable[manifest_path(stage)] = missing[stage] = str(error)
    try:
        lock = parse_lock((root / LOCK).read_bytes(), LOCK) if (root / LOCK).is_file() else {}
    except UserError as error:
        if unreadable is None:
            raise
        unreadable[LOCK] = str(error)
    return Lineage(
        name="workspace",
        root=root,
        stages=stages,
        params=params,
        executions=manifests,
        missing=missing,
        outs={path: md5 for one in lock.values() for path, md5 in one.outs.items()},
        lock=lock,
        commit=git.head(root),
        dirty=git.changed_files(root),
        tracking=tracking or Tracking(root=root),
    )


def published(stages: Iterable[str], results: Path = RESULTS) -> Lineage:
    """What lies in a results folder, by its manifests alone: nothing is asked of dvc.lock, MLflow or git.

    Raises UserError where a stage has no manifest there.
    """
    return Lineage(
        name=str(results),
        root=results.parent,
        stages={},
        params={},
        executions={stage: read_manifest_file(results / stage / MANIFEST) for stage in stages},
        missing={},
        outs={},
        lock={},
        commit=None,
        dirty=[],
        tracking=Tracking(root=results.parent),
    )


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
        name=f"revision {rev}" if commit.startswith(rev) else f"revision {rev} ({commit[:10]})",
        root=store_folder().absolute() / "snapshots" / commit,
        stages=stages,
        params=params,
        executions={},
        missing={},
        outs={path: md5 for one in lock.values() for path, md5 in one.outs.items()},
        lock=lock,
        commit=commit,
        dirty=[],
        tracking=tracking or Tracking(root=root),
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
    if found.stage in here.executions and here.executions[found.stage].digest == found.manifest:
        above = upstream_of(here.stages, found.stage)
        if not here.broken(*above):
            return here
    objects = Objects(root)
    chain = runs_above(found, tracking, objects)
    manifests = {stage: published_by(one, objects) for stage in here.stages if (one := chain.get(stage))}
    return Lineage(
        name=f"run {run_id}",
        root=store_folder().absolute() / "snapshots" / sha256_json(sorted(one.run_id for one in chain.values()))[:40],
        stages=here.stages,
        params=_recorded(manifests.values()),
        executions=manifests,
        missing={
            stage: f"no run of {stage} that run {run_id} was made of is known to MLflow"
            for stage in here.stages
            if stage not in chain
        },
        outs={path: md5 for one in chain.values() for path, md5 in one.outs.items()},
        lock={},
        commit=found.commit,
        dirty=["when it ran, tracked files differed from the commit"] if found.dirty else [],
        tracking=tracking,
        objects=objects,
    )


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
