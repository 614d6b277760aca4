"""Opening a lineage: of the workspace, of a revision of git, or of what an MLflow run was made of."""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from pathlib import Path
from typing import Any

import yaml

from tasks.lineage.dvc import LOCK, PARAMS, LockedStage, Objects, parse_lock
from tasks.lineage.lineage import Lineage
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Execution, Run, manifest_path, parse_manifest, read_manifest_file, value_at
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
        unreadable: where given, the reasons of manifests and dvc.lock that cannot be read are put here, by path.

    Raises UserError where this is no project of reeltrace, or (without `unreadable`) a record cannot be read.
    """
    stages, params = _project(_text(root / DVC_FILE), _text(root / PARAMS))
    found = Lineage("workspace", root, tracking or Tracking(root=root), stages=stages, params=params)
    damaged: dict[str, str] = {} if unreadable is None else unreadable
    for stage in stages:
        path = manifest_path(stage)
        if not (root / path).is_file():
            todo = f"run `dvc checkout` (or `dvc pull`), or `dvc repro {stage}`"
            found.missing[stage] = f"{RESULTS / stage} is not here; {todo}"
            continue
        try:
            found.executions[stage] = read_manifest_file(root / path)
        except UserError as error:
            damaged[path] = found.missing[stage] = str(error)
    if (root / LOCK).is_file():
        try:
            found.lock = parse_lock((root / LOCK).read_bytes(), LOCK)
        except UserError as error:
            damaged[LOCK] = str(error)
    if unreadable is None and damaged:
        raise UserError(next(iter(damaged.values())))
    found.outs, found.commit, found.dirty = _outs(found.lock.values()), git.head(root), git.changed_files(root)
    return found


def published(stages: Iterable[str], results: Path = RESULTS) -> Lineage:
    """What lies in a results folder, by its manifests alone. Raises UserError where a stage has none there."""
    executions = {stage: read_manifest_file(results / stage / MANIFEST) for stage in stages}
    return Lineage(str(results), results.parent, Tracking(root=results.parent), executions)


def revision(rev: str, root: Path = Path(), tracking: Tracking | None = None) -> Lineage:
    """The state that a commit records. Raises UserError where there is no such commit, or it has no dvc.lock."""
    commit = git.commit_of(rev, root)
    texts: list[str] = []
    for name in (str(DVC_FILE), PARAMS, LOCK):
        if (text := git.file_at(commit, name, root)) is None:
            todo = "; commit it after `dvc repro`, it is what a revision's results are found by" if name == LOCK else ""
            raise UserError(f"revision {rev} has no {name}{todo}")
        texts.append(text)
    stages, params = _project(*texts[:2])
    lock = parse_lock(texts[2], f"{LOCK} of {rev}")
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
    """The state that an MLflow run was made of, by digests; the workspace, where that is what lies there.

    Raises UserError for an unknown run, and for one that published nothing.
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
    chain = _runs_above(found, tracking, objects)
    executions = {stage: chain[stage][1] for stage in here.stages if stage in chain}
    runs = [run for run, _ in chain.values()]
    unknown = f"that run {run_id} was made of is known to MLflow"
    return Lineage(
        f"run {run_id}",
        _snapshot(sha256_json(sorted(one.run_id for one in runs))[:40]),
        tracking,
        executions,
        here.stages,
        params=_recorded(executions.values()),
        missing={stage: f"no run of {stage} {unknown}" for stage in here.stages if stage not in chain},
        outs=_outs(runs),
        commit=found.commit,
        dirty=["when it ran, tracked files differed from the commit"] if found.dirty else [],
        objects=objects,
    )


def _runs_above(first: Run, tracking: Tracking, objects: Objects) -> dict[str, tuple[Run, Execution]]:
    """The runs that made what a run read, and what they published, by stage: digests decide, not time."""
    chain = {first.stage: (first, _published_by(first, objects))}
    todo = [first.stage]
    while todo:
        wanted: dict[str, dict[str, str]] = {}
        for artifact in chain[todo.pop(0)][1].used.values():
            if artifact.maker and artifact.maker not in chain:
                wanted.setdefault(artifact.maker, {})[artifact.path] = artifact.sha256
        for run in reversed(tracking.of_stages(wanted)):  # the latest of those that made the same
            inputs, own = wanted[run.stage], manifest_path(run.stage)
            if run.stage in chain or run.manifest is None or inputs.get(own, run.manifest) != run.manifest:
                continue
            try:
                published = _published_by(run, objects)
            except UserError:
                if own in inputs:
                    raise
                continue  # another run may have made the same
            if own in inputs or all(published.digest_of(path) == sha256 for path, sha256 in inputs.items()):
                chain[run.stage] = run, published
                todo.append(run.stage)
    return chain


def _published_by(run: Run, objects: Objects) -> Execution:
    """The manifest that a run published, from DVC's objects."""
    path = RESULTS / run.stage / MANIFEST
    try:
        content = objects.path(objects.files_at(run.outs, path)[path]).read_bytes()
    except KeyError:
        raise UserError(f"run {run.run_id} does not say where its {path} is in DVC's cache") from None
    except UserError as error:
        raise UserError(f"{path} of run {run.run_id}: {error}") from None
    manifest = parse_manifest(content, f"{path} of run {run.run_id}")
    if manifest.digest != run.manifest:
        raise UserError(f"{path} in DVC's cache is not the one that run {run.run_id} published; run `dvc fetch`")
    return manifest


def _outs(recorded: Iterable[LockedStage | Run]) -> dict[str, str]:
    return {path: md5 for one in recorded for path, md5 in one.outs.items()}


def _snapshot(name: str) -> Path:
    """Where the files of a state that is not the workspace's are brought."""
    return store_folder().absolute() / "snapshots" / name


def _recorded(manifests: Iterable[Execution]) -> dict[str, Any]:
    """Params as manifests have them, by section."""
    params: dict[str, Any] = {}
    for dotted, value in (pair for manifest in manifests for pair in manifest.params.items()):
        *sections, key = dotted.split(".")
        reduce(lambda place, section: place.setdefault(section, {}), sections, params)[key] = value
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
