"""The lineage of a result as OpenLineage events: every run of its stages from its start to its end.

The specification asks for one START and one final event of every run, and takes what the events of a run say together:
START says when and which job, COMPLETE all that was read and written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.audit.chain import unlike_lock
from tasks.audit.executions import Execution
from tasks.audit.export import repository
from tasks.audit.export.datasets import read, written
from tasks.audit.export.facets import Describer
from tasks.audit.export.jobs import descriptions, job_facets, run_facets
from tasks.audit.export.names import PROJECT, names_of
from tasks.audit.export.records import Records
from tasks.audit.export.runs import Run, run_of
from tasks.audit.export.sources import models_read, videos_read
from tasks.audit.export.spec import EVENT, producer
from tasks.audit.links import Link, broken, links
from tasks.audit.manifest import Manifest
from tasks.audit.snapshot import Snapshot
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


def export(snapshot: Snapshot, last: str, namespace: str | None = None, run_id: str | None = None) -> Export:
    """Events of a stage and of all that it follows from.

    Args:
        last: the stage.
        namespace: of jobs and of the project's files; None takes the address of the git remote `origin`.
        run_id: an MLflow run that stands for its stage where others published the same.

    Raises UserError where the stage is not to be had.
    """
    snapshot.manifest(last)
    remote = git.origin()
    address = repository.web_address(remote) if remote else None
    namespace = namespace or repository.namespace(address, PROJECT)
    wanted = upstream_of(snapshot.stages, last)
    manifests = {name: snapshot.manifests[name] for name in wanted if name in snapshot.manifests}
    runs = snapshot.executions.of_manifests({one.digest for one in manifests.values()})
    found = [link for link in links(snapshot) if link.stage in manifests]
    exporter = _Exporter(snapshot, namespace, address, found, run_id)
    events = [
        event
        for manifest in progress(manifests.values(), "export", total=len(manifests), unit="stage")
        for event in exporter.events(manifest, runs[manifest.digest])
    ]
    remarks = [snapshot.missing[name] for name in wanted if name in snapshot.missing]
    remarks += [_broken(link) for link in broken(found)]
    remarks += [line for line in (unlike_lock(snapshot, last), snapshot.executions.problem) if line]
    return Export(snapshot.name, namespace, events, [*remarks, *exporter.remarks, *exporter.records.remarks])


def _broken(link: Link) -> str:
    return (
        f"{link.stage} read another {link.path} ({link.sha256[:12]}) than {link.maker} has: the chain is broken there"
    )


class _Exporter:
    """Makes the events of one state, stage by stage; `remarks` and `records.remarks` say what could not be told."""

    def __init__(
        self, snapshot: Snapshot, namespace: str, address: str | None, found: Sequence[Link], run_id: str | None
    ) -> None:
        self.snapshot = snapshot
        self.namespace = namespace
        self.address = address
        self.links = found
        self.run_id = run_id
        self.remarks: list[str] = []
        self.records = Records(snapshot)
        self.describer = Describer(snapshot, self.records)
        self.names = names_of(namespace, snapshot.manifests.get("corpus"))
        self.descriptions = descriptions(snapshot)

    def events(self, manifest: Manifest, found: Sequence[Execution]) -> list[dict[str, Any]]:
        """START and COMPLETE of the run that stands for a manifest."""
        snapshot, stage = self.snapshot, manifest.stage
        run = run_of(snapshot, manifest, found, self.run_id)
        if run.execution is None and snapshot.executions.problem is None:
            self.remarks.append(f"MLflow knows no run that published this {stage}: its id follows from the manifest")
        job = {
            "namespace": self.namespace,
            "name": stage,
            "facets": job_facets(stage, self.descriptions.get(stage), run, self.address),
        }
        facets = run_facets(snapshot, manifest, run, self.records)
        inputs, outputs = self._inputs(manifest), self._outputs(manifest)
        return [
            _event("START", run.started or run.ended, run, {}, job, [], []),
            _event("COMPLETE", run.ended, run, facets, job, inputs, outputs),
        ]

    def _inputs(self, manifest: Manifest) -> list[dict[str, Any]]:
        own = [link for link in self.links if link.stage == manifest.stage]
        held = any(link.maker == "base" and link.holds == "yes" for link in own)
        base = self.snapshot.manifests["base"] if held else None
        found = read(own, self.snapshot.manifests, self.names)
        found += videos_read(manifest, own, self.records, self.names)
        found += models_read(manifest, base, self.records, self.names)
        return [self.describer.input(one) for one in found]

    def _outputs(self, manifest: Manifest) -> list[dict[str, Any]]:
        outputs = self.records.outputs(manifest)
        return [self.describer.output(one) for one in written(manifest, outputs, self.names)]


def _event(
    kind: str,
    time: str,
    run: Run,
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
