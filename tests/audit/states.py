"""Small states of a pipeline made by hand: manifests without a run, and files where a test needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.audit.executions import Executions
from tasks.audit.manifest import Manifest
from tasks.audit.snapshot import Snapshot
from tasks.shared.artifacts.publish import digests
from tasks.shared.execution.pipeline import StageSpec
from tasks.shared.runtime.files import files_under, sha256_json


def made(
    stage: str,
    *,
    params: Mapping[str, Any] | None = None,
    code: Mapping[str, str] | None = None,
    components: Mapping[str, str] | None = None,
    reads: Mapping[str, str] | None = None,
    outputs: Mapping[str, str] | None = None,
) -> Manifest:
    """A stage's manifest; inputs and outputs are digests by path."""
    content: dict[str, Any] = {
        "stage": stage,
        "params": dict(params or {}),
        "code": dict(code or {}),
        "components": dict(components or {}),
        "inputs": {path: {"sha256": digest, "bytes": 1} for path, digest in (reads or {}).items()},
        "outputs": {path: {"sha256": digest, "bytes": 1} for path, digest in (outputs or {}).items()},
        "folders": {},
        "derived": [],
        "counts": {},
    }
    return Manifest(digest=sha256_json(content), **content)


def state(root: Path, *manifests: Manifest) -> Snapshot:
    """A state of these stages, in this order, whose files lie below a folder."""
    return Snapshot(
        name=root.name,
        root=root,
        stages={one.stage: StageSpec(one.stage, (), (), ()) for one in manifests},
        manifests={one.stage: one for one in manifests},
        missing={},
        outs={},
        lock={},
        params={},
        commit=None,
        dirty=[],
        executions=Executions("sqlite:///mlflow.db", root),
    )


def published(root: Path) -> Snapshot:
    """The state of the files that lie in `results/` below a folder, a stage for every folder there."""
    manifests = []
    for folder in sorted((root / "results").iterdir()):
        found = digests(files_under(folder))
        by_path = {Path(path).relative_to(root).as_posix(): one["sha256"] for path, one in found.items()}
        manifests.append(made(folder.name, outputs=by_path))
    return state(root, *manifests)
