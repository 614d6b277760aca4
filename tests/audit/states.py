"""Small states of a pipeline made by hand: manifests without a run, and files where a test needs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Artifact, Execution
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
) -> Execution:
    """A stage's manifest; inputs and outputs are digests by path."""
    content: dict[str, Any] = {
        "stage": stage,
        "params": dict(params or {}),
        "code": dict(code or {}),
        "components": dict(components or {}),
        "used": {path: Artifact(path, digest, 1) for path, digest in (reads or {}).items()},
        "generated": {path: Artifact(path, digest, 1) for path, digest in (outputs or {}).items()},
        "folders": {},
        "derived": [],
        "counts": {},
    }
    return Execution(digest=sha256_json({name: repr(value) for name, value in content.items()}), **content)


def state(root: Path, *manifests: Execution) -> Lineage:
    """A state of these stages, in this order, whose files lie below a folder."""
    return Lineage(
        name=root.name,
        root=root,
        stages={one.stage: StageSpec(one.stage, (), (), ()) for one in manifests},
        executions={one.stage: one for one in manifests},
        missing={},
        outs={},
        lock={},
        params={},
        commit=None,
        dirty=[],
        tracking=Tracking("sqlite:///mlflow.db", root),
    )


def published(root: Path) -> Lineage:
    """The state of the files that lie in `results/` below a folder, a stage for every folder there."""
    manifests = []
    for folder in sorted((root / "results").iterdir()):
        found = digests(files_under(folder))
        by_path = {Path(path).relative_to(root).as_posix(): one["sha256"] for path, one in found.items()}
        manifests.append(made(folder.name, outputs=by_path))
    return state(root, *manifests)
