"""The stages that a result follows from, each as its manifest, DVC, MLflow and git know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.audit.executions import Execution
from tasks.audit.links import Link, links
from tasks.audit.lock import LockedStage
from tasks.audit.manifest import Manifest
from tasks.audit.snapshot import Snapshot
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.pipeline import dvc_hash, upstream_of
from tasks.shared.runtime.files import sha256_file


@dataclass(frozen=True)
class Run:
    """An MLflow run that published this very result."""

    run_id: str
    status: str
    started: str | None  # ISO 8601, UTC
    commit: str | None
    dirty: bool  # tracked files differed from the commit


@dataclass(frozen=True)
class Stage:
    """A stage of the ancestry.

    Attributes:
        manifest: sha256 of its manifest, which identifies what it made.
        dvc: DVC's md5 of its outputs, by path.
        runs: executions in MLflow that published it, the oldest first.
        outputs: sha256 by path; of large folders, how many files and bytes are in `folders`.
        inputs: what it read, and who made it.
        changed: params and source files that are not here as they were when it was made.
    """

    name: str
    manifest: str
    dvc: dict[str, str]
    runs: list[Run]
    params: dict[str, Any]
    code: str
    components: dict[str, str]
    counts: dict[str, int]
    outputs: dict[str, str]
    folders: dict[str, dict[str, int]]
    derived: list[str]
    inputs: list[Link]
    changed: list[str]


def chain_of(snapshot: Snapshot, last: str) -> list[Stage]:
    """A stage and all that it follows from, as each feeds the next; those that are not to be had are left out."""
    wanted = [name for name in upstream_of(snapshot.stages, last) if name in snapshot.manifests]
    manifests = {name: snapshot.manifests[name] for name in wanted}
    runs = snapshot.executions.of_manifests({one.digest for one in manifests.values()})
    read = links(snapshot)
    return [
        Stage(
            name=name,
            manifest=manifest.digest,
            dvc={
                out.as_posix(): snapshot.outs[out.as_posix()]
                for out in snapshot.stages[name].outs
                if out.as_posix() in snapshot.outs
            },
            runs=[run_of(one) for one in runs[manifest.digest]],
            params=manifest.params,
            code=manifest.code_digest,
            components=manifest.components,
            counts=manifest.counts,
            outputs={path: entry["sha256"] for path, entry in manifest.outputs.items()},
            folders=manifest.folders,
            derived=manifest.derived,
            inputs=[link for link in read if link.stage == name],
            changed=_changed(snapshot, manifest) if snapshot.objects is None else [],
        )
        for name, manifest in manifests.items()
    ]


def run_of(execution: Execution) -> Run:
    """An execution as answers tell it."""
    started = None
    if execution.started is not None:
        started = datetime.fromtimestamp(execution.started / 1000, UTC).isoformat(timespec="seconds")
    return Run(execution.run_id, execution.status, started, execution.commit, execution.dirty)


def unlike_lock(snapshot: Snapshot, last: str) -> str | None:
    """Why a workspace's result is not the one that dvc.lock records; None where it is, or that cannot be told.

    The stage's own manifest is enough: what it follows from is held by the digests in it.
    """
    manifest = RESULTS / last / MANIFEST
    locked: LockedStage | None = snapshot.lock.get(last)
    if snapshot.objects is not None or last not in snapshot.manifests:
        return None
    if locked is None:
        return f"dvc.lock records no {last}: it was run without DVC, or dvc.lock was not kept; `dvc commit` records it"
    recorded = snapshot.md5_of(manifest)
    if recorded is None or recorded == dvc_hash(snapshot.root / manifest):
        return None
    return (
        f"{manifest.parent} is not what dvc.lock records: `dvc checkout` brings that back, `dvc repro` makes what "
        "belongs to the files here"
    )


def _changed(snapshot: Snapshot, manifest: Manifest) -> list[str]:
    found = []
    for path, sha256 in manifest.code.items():
        here = snapshot.root / path
        if not here.is_file() or sha256_file(here) != sha256:
            found.append(path)
    for key, value in manifest.params.items():
        try:
            same = as_read(snapshot.param(key), key) == value
        except KeyError:
            same = False
        if not same:
            found.append(f"params.yaml: {key}")
    return found


def short_path(path: str) -> str:
    """A path below `results/<stage>/` without that."""
    parts = Path(path).parts
    return "/".join(parts[2:]) if parts[0] == RESULTS.name and len(parts) > 2 else path
