"""The lineage of a result as OpenLineage events: START says when and which job, COMPLETE all that a run read and wrote.

Facets of our own are named `reeltrace_...`; no schema of these is published, so they name their base definition.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import attr
from openlineage.client import facet_v2 as facets
from openlineage.client.event_v2 import Job, RunEvent, RunState, set_producer
from openlineage.client.event_v2 import Run as JobRun

from tasks.audit.ancestry import ancestry
from tasks.audit.export.datasets import Datasets
from tasks.audit.export.facets import Names, namespace_of, own, shareable, web_address
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.shared.artifacts import scores
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime import git
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.progress import progress

TOLD = ("queries", "videos", "queries_without_positives", "systems", "intervals", "tests", "note")  # of metrics.json
ENVIRONMENT = ("python", "platform", "machine")  # of a run's tags; not the machine's name
UNKNOWN = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reeltrace:manifest")  # namespace of ids of runs that MLflow lacks


@dataclass(frozen=True)
class Export:
    """Events in the order of the stages, and what could not be told or does not hold, a line each."""

    state: str
    namespace: str
    events: list[dict[str, Any]]
    remarks: list[str]


def export(lineage: Lineage, last: str, namespace: str | None = None, run_id: str | None = None) -> Export:
    """Events of a stage and of all that it follows from. Raises UserError where the stage is not to be had.

    Args:
        namespace: of jobs and of the project's files; None takes the address of the git remote `origin`.
        run_id: an MLflow run that stands for its stage where others published the same.
    """
    lineage.execution(last)
    try:
        release = version("reeltrace")
    except PackageNotFoundError:  # run from a folder, not installed
        release = "unknown"
    set_producer(f"pkg:generic/reeltrace@{release}")  # a package URL (ECMA-427); the package is in no registry
    remote = git.origin()
    address = web_address(remote) if remote else None
    namespace = namespace or namespace_of(address)
    corpus = lineage.executions.get("corpus")
    path = corpus.params.get("corpus", {}).get("path") if corpus else None
    datasets = Datasets(lineage, Names(namespace, path))
    found = ancestry(lineage, last)
    events = [
        _as_dict(event)
        for one in progress(found.executions, "export", total=len(found.executions), unit="stage")
        for event in _events(datasets, one, found.runs[one.stage], run_id, address)
    ]
    return Export(lineage.name, namespace, events, [*found.broken, *found.notes, *datasets.remarks])


def _events(
    datasets: Datasets, execution: Execution, runs: Sequence[Run], named: str | None, address: str | None
) -> list[RunEvent]:
    """START and COMPLETE of the run that stands for an execution: the named one, else the first that finished."""
    order = sorted(runs, key=lambda one: (one.run_id != named, one.status != "FINISHED"))
    run = order[0] if order else None
    lineage, tags = datasets.lineage, run.tags if run else {}
    commit = (run.commit if run else None) or lineage.commit
    ended, clock = _end(lineage, execution, run, commit)
    started = _time(run.started) if run and run.started else None
    about = {
        "runIdFrom": "mlflow" if run else "manifest",
        "timesFrom": clock,
        "startRecorded": started is not None,
        "mlflowRunId": run.run_id if run else None,
        "mlflowRunsOfSameResult": [one.run_id for one in runs if one is not run],
        "git": {"commit": commit, "dirty": run.dirty if run else None},
        "environment": {name: tags[f"env.{name}"] for name in ENVIRONMENT if f"env.{name}" in tags},
    }
    told = _run_facets(datasets, execution) | {"reeltrace_execution": own(facets.RunFacet(), **about)}
    try:
        identity = str(uuid.UUID(hex=run.run_id if run else ""))
    except ValueError:  # MLflow knows no run of it, or its server has ids of another kind
        identity = str(uuid.uuid5(UNKNOWN, run.run_id if run else execution.digest))
    job = Job(datasets.names.project, execution.stage, _job_facets(lineage, execution.stage, address, commit))
    inputs, outputs = datasets.read(execution), datasets.written(execution)
    return [
        RunEvent(eventType=RunState.START, eventTime=started or ended, run=JobRun(identity), job=job),
        RunEvent(
            eventType=RunState.COMPLETE, eventTime=ended, run=JobRun(identity, told), job=job,
            inputs=inputs, outputs=outputs,
        ),
    ]  # fmt: skip


def _end(lineage: Lineage, execution: Execution, run: Run | None, commit: str | None) -> tuple[str, str]:
    """When a run ended, and which clock says so."""
    if run is not None and run.ended is not None:
        return _time(run.ended), "mlflow"
    if commit and (committed := git.commit_time(commit)):
        return _time(datetime.fromisoformat(committed)), "commit"
    written = (lineage.root / manifest_path(execution.stage)).stat().st_mtime
    return _time(datetime.fromtimestamp(written, UTC)), "file"


def _job_facets(lineage: Lineage, stage: str, address: str | None, commit: str | None) -> dict[str, facets.JobFacet]:
    kind = facets.job_type_job.JobTypeJobFacet("BATCH", "REELTRACE", "TASK")
    found: dict[str, facets.JobFacet] = {"jobType": kind}
    if described := lineage.stages[stage].description:
        found["documentation"] = facets.documentation_job.DocumentationJobFacet(described, "text/plain")
    if address and commit:
        location = facets.source_code_location_job.SourceCodeLocationJobFacet
        found["sourceCodeLocation"] = location("git", address, address, f"tasks/{stage}", commit)
    return found


def _run_facets(datasets: Datasets, execution: Execution) -> dict[str, facets.RunFacet]:
    """What decided an execution's bytes, and the scores where it made them."""
    lineage, stage, params = datasets.lineage, execution.stage, shareable(execution.params)
    parameters = facets.execution_parameters_run
    values = {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat(params).items()}
    given = [parameters.ExecutionParameter(key, value=value) for key, value in values.items()]
    locked = lineage.lock.get(stage)
    about = {
        "manifestSha256": execution.digest,
        "params": params,
        "paramsSha256": sha256_json(execution.params),
        "components": execution.components,
        "code": execution.code,
        "codeSha256": execution.code_digest,
        "counts": execution.counts,
        "dvc": {"outs": lineage.outs_of(stage), "deps": shareable(locked.deps) if locked else {}},
    }
    found: dict[str, facets.RunFacet] = {
        "executionParameters": parameters.ExecutionParametersRunFacet(given),
        "reeltrace_stage": own(facets.RunFacet(), **about),
    }
    told = datasets.json(execution, scores.FOLDER / scores.METRICS) if stage == FINAL else None
    if told is not None:
        found["reeltrace_scores"] = own(facets.RunFacet(), **{name: told[name] for name in TOLD if name in told})
    return found


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _as_dict(event: RunEvent) -> dict[str, Any]:
    """An event as the client would send it, with its keys in order. What params set to null stays."""
    found = attr.asdict(
        event,
        filter=lambda field, value: value is not None and not (field.name == "fields" and value == []),
        value_serializer=lambda _event, _field, value: value.value if isinstance(value, Enum) else value,
    )
    return dict(json.loads(json.dumps(found, sort_keys=True, allow_nan=False)))
