"""Facets of jobs and runs: what a stage is, and what decided the bytes of this execution."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import yaml

from tasks.audit.export import repository
from tasks.audit.export.names import shareable
from tasks.audit.export.records import Records
from tasks.audit.export.runs import JobRun, environment
from tasks.audit.export.spec import Facets, exporter, facet, own
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores
from tasks.shared.execution.pipeline import DVC_FILE
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime import git
from tasks.shared.runtime.files import sha256_json

TOLD = ("queries", "videos", "queries_without_positives", "systems", "intervals", "tests", "note")  # of metrics.json


def descriptions(lineage: Lineage) -> dict[str, str]:
    """What dvc.yaml says of stages; a run's state has no dvc.yaml but its commit's."""
    if lineage.objects is None:
        text: str | None = (lineage.root / DVC_FILE).read_text(encoding="utf-8")
    else:
        text = git.file_at(lineage.commit, str(DVC_FILE)) if lineage.commit else None
    stages = (yaml.safe_load(text) or {}).get("stages", {}) if text else {}
    return {name: str(stage["desc"]) for name, stage in stages.items() if "desc" in stage}


def job_facets(stage: str, description: str | None, run: JobRun, repository_at: str | None) -> Facets:
    """Of a stage as a job; where its code lies is told where the repository has an address and the run a commit."""
    facets = facet("jobType", processingType="BATCH", integration="REELTRACE", jobType="TASK")
    if description:
        facets |= facet("documentation", description=description, contentType="text/plain")
    if repository_at and run.commit:
        folder = f"tasks/{stage}"
        url = repository.folder_at(repository_at, run.commit, folder)
        location = {"type": "git", "url": url, "repoUrl": repository_at, "path": folder, "version": run.commit}
        facets |= facet("sourceCodeLocation", **location)
    return facets


def run_facets(lineage: Lineage, manifest: Execution, run: JobRun, records: Records) -> Facets:
    """Of a stage's execution: what decided its bytes, how the run is known, and the scores where it made them."""
    params = shareable(manifest.params)
    given = [
        {"key": key, "value": value if isinstance(value, str) else json.dumps(value)}
        for key, value in flat(params).items()
    ]
    facets = (
        facet("processing_engine", name="reeltrace", version=_version(run), openlineageAdapterVersion=exporter())
        | facet("executionParameters", parameters=given)
        | own("stage", "RunFacet", **_stage(lineage, manifest, params))
        | own("execution", "RunFacet", **_execution(run))
    )
    if manifest.stage == FINAL and (told := records.json(manifest, scores.FOLDER / scores.METRICS)) is not None:
        facets |= own("scores", "RunFacet", **{name: told[name] for name in TOLD if name in told})
    return facets


def _stage(lineage: Lineage, manifest: Execution, params: Any) -> dict[str, Any]:
    """What the manifest says, DVC's hashes, and digests of what the manifest has in full."""
    locked = lineage.lock.get(manifest.stage)
    spec = lineage.stages[manifest.stage]
    return {
        "manifestSha256": manifest.digest,
        "params": params,
        "paramsSha256": sha256_json(manifest.params),
        "components": manifest.components,
        "code": manifest.code,
        "codeSha256": manifest.code_digest,
        "counts": manifest.counts,
        "dvc": {
            "outs": {path: lineage.outs[path] for path in map(Path.as_posix, spec.outs) if path in lineage.outs},
            "deps": shareable(locked.deps) if locked else {},
        },
    }


def _execution(run: JobRun) -> dict[str, Any]:
    """Where the run and its times are known from, and the code and machine it ran on."""
    execution = run.execution
    return {
        "runIdFrom": "mlflow" if execution else "manifest",
        "timesFrom": run.clock,
        "startRecorded": run.started is not None,
        "mlflowRunId": execution.run_id if execution else None,
        "mlflowRunsOfSameResult": run.others,
        "git": {"commit": run.commit, "dirty": run.dirty},
        "environment": environment(execution.tags) if execution else {},
    }


def _version(run: JobRun) -> str:
    """The version of reeltrace at the run's commit, as its pyproject.toml says."""
    text = git.file_at(run.commit, "pyproject.toml") if run.commit else None
    try:
        project = tomllib.loads(text or "").get("project", {})
    except tomllib.TOMLDecodeError:
        project = {}
    return str(project.get("version", "unknown")) if project.get("name") == "reeltrace" else "unknown"
