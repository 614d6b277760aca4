"""The MLflow runs that a run's result was made of, found by digests, and the manifests that they published."""

from __future__ import annotations

from tasks.lineage.dvc import Objects
from tasks.lineage.manifest import parse_manifest
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError


def runs_above(first: Run, tracking: Tracking, objects: Objects) -> dict[str, Run]:
    """The runs that made what a run read, by stage: digests of inputs among digests of outputs, not time, decide."""
    chain = {first.stage: first}
    open_ends = [first]
    while open_ends:
        one = open_ends.pop(0)
        wanted: dict[str, dict[str, str]] = {}
        for artifact in published_by(one, objects).used.values():
            if artifact.maker and artifact.maker not in chain:
                wanted.setdefault(artifact.maker, {})[artifact.path] = artifact.sha256
        candidates = tracking.of_stages(wanted)
        for stage, inputs in wanted.items():
            for maker in reversed([each for each in candidates if each.stage == stage and each.manifest]):
                if _made(maker, inputs, objects):
                    chain[stage] = maker
                    open_ends.append(maker)
                    break
    return chain


def _made(maker: Run, inputs: dict[str, str], objects: Objects) -> bool:
    own = manifest_path(maker.stage)
    if own in inputs:
        return inputs[own] == maker.manifest
    try:
        published = published_by(maker, objects)
    except UserError:
        return False
    return all(published.digest_of(path) == sha256 for path, sha256 in inputs.items())


def published_by(run: Run, objects: Objects) -> Execution:
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
