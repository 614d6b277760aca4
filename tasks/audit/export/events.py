"""The lineage of a result as OpenLineage events: every run of its stages from its start to its end.

The specification asks for one START and one final event of every run, and takes what the events of a run say together:
START says when and which job, COMPLETE all that was read and written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.audit.export import repository
from tasks.audit.export.datasets import read, written
from tasks.audit.export.facets import Describer
from tasks.audit.export.jobs import descriptions, job_facets, run_facets
from tasks.audit.export.names import PROJECT, names_of
from tasks.audit.export.records import Records
from tasks.audit.export.runs import JobRun, run_of
from tasks.audit.export.sources import models_read, videos_read
from tasks.audit.export.spec import EVENT, producer
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Link, Run
from tasks.shared.execution.pipeline import upstream_of
from tasks.shared.runtime import git
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Export:
    """Events in the order of the stages, and what could not be told or does not hold, a line each."""

    state: str
    namespace: str
    events: list[dict[str, Any]]
    remarks: list[str]


def export(lineage: Lineage, last: str, namespace: str | None = None, run_id: str | None = None) -> Export:
    """Events of a stage and of all that it follows from.

    Args:
        last: the stage.
        namespace: of jobs and of the project's files; None takes the address of the git remote `origin`.
        run_id: an MLflow run that stands for its stage where others published the same.

    Raises UserError where the stage is not to be had.
    """
    lineage.execution(last)
    remote = git.origin()
    address = repository.web_address(remote) if remote else None
    namespace = namespace or repository.namespace(address, PROJECT)
    wanted = upstream_of(lineage.stages, last)
    manifests = {name: lineage.executions[name] for name in wanted if name in lineage.executions}
    runs = lineage.tracking.of_manifests({one.digest for one in manifests.values()})
    found = lineage.links(*manifests)
    exporter = _Exporter(lineage, namespace, address, found, run_id)
    events = [
        event
        for manifest in progress(manifests.values(), "export", total=len(manifests), unit="stage")
        for event in exporter.events(manifest, runs[manifest.digest])
    ]
    remarks = [lineage.missing[name] for name in wanted if name in lineage.missing]
    remarks += [_broken(link) for link in found if link.holds == "no"]
    remarks += [line for line in (lineage.unlike_lock(last), lineage.tracking.problem) if line]
    return Export(lineage.name, namespace, events, [*remarks, *exporter.remarks, *exporter.records.remarks])


def _broken(link: Link) -> str:
    return (
        f"{link.reader} read another {link.artifact.path} ({link.artifact.sha256[:12]}) than {link.maker} has: "
        "the chain is broken there"
    )


class _Exporter:
    """Makes the events of one state, stage by stage; `remarks` and `records.remarks` say what could not be told."""

    def __init__(
        self, lineage: Lineage, namespace: str, address: str | None, found: Sequence[Link], run_id: str | None
    ) -> None:
        self.lineage = lineage
        self.namespace = namespace
        self.address = address
        self.links = found
        self.run_id = run_id
        self.remarks: list[str] = []
        self.records = Records(lineage)
        self.describer = Describer(lineage, self.records)
        self.names = names_of(namespace, lineage.executions.get("corpus"))
        self.descriptions = descriptions(lineage)

    def events(self, manifest: Execution, found: Sequence[Run]) -> list[dict[str, Any]]:
        """START and COMPLETE of the run that stands for a manifest."""
        lineage, stage = self.lineage, manifest.stage
        run = run_of(lineage, manifest, found, self.run_id)
        if run.execution is None and lineage.tracking.problem is None:
            self.remarks.append(f"MLflow knows no run that published this {stage}: its id follows from the manifest")
        job = {
            "namespace": self.namespace,
            "name": stage,
            "facets": job_facets(stage, self.descriptions.get(stage), run, self.address),
        }
        facets = run_facets(lineage, manifest, run, self.records)
        inputs, outputs = self._inputs(manifest), self._outputs(manifest)
        return [
            _event("START", run.started or run.ended, run, {}, job, [], []),
            _event("COMPLETE", run.ended, run, facets, job, inputs, outputs),
        ]

    def _inputs(self, manifest: Execution) -> list[dict[str, Any]]:
        own = [link for link in self.links if link.reader == manifest.stage]
        held = any(link.maker == "base" and link.holds == "yes" for link in own)
        base = self.lineage.executions["base"] if held else None
        found = read(own, self.lineage.executions, self.names)
        found += videos_read(manifest, own, self.records, self.names)
        found += models_read(manifest, base, self.records, self.names)
        return [self.describer.input(one) for one in found]

    def _outputs(self, manifest: Execution) -> list[dict[str, Any]]:
        outputs = self.records.outputs(manifest)
        return [self.describer.output(one) for one in written(manifest, outputs, self.names)]


def _event(
    kind: str,
    time: str,
    run: JobRun,
    facets: dict[str, Any],
    job: dict[str, Any],
    inputs: list[dict[str, Any]],
    outputs: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "eventType": kind,
        "eventTime": time,
        "run": {"runId": run.run_id, "facets": facets},
        "job": job,
        "inputs": inputs,
        "outputs": outputs,
        "producer": producer(),
        "schemaURL": EVENT,
    }
