"""A state of the pipeline as one graph of digests: what every stage did, and whether the stages fit together.

The files of a state lie at their usual paths below `root`, so that the artifacts' own readers read them. Of the
workspace these are the files that lie there. Of another state they are DVC's objects, brought into a folder of the
item store when they are asked for, and never into the workspace.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.lineage.dvc import LockedStage, Objects
from tasks.lineage.mlflow import Tracking
from tasks.lineage.model import Artifact, Execution, Holds, Link, Run, value_at
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.execution.pipeline import StageSpec, downstream_of, dvc_hash, upstream_of
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy, sha256_file

FINAL = "evaluate"  # the stage that makes the score


@dataclass
class Lineage:
    """A state of the pipeline: the workspace, what a commit records, or what an MLflow run was made of."""

    name: str  # for people: `workspace`, `revision abc1234` or `run 0123...`
    root: Path  # the folder below which `results/...` lies
    tracking: Tracking
    executions: dict[str, Execution] = field(default_factory=dict)  # by stage, as each feeds the next
    stages: dict[str, StageSpec] = field(default_factory=dict)  # of its dvc.yaml, in that order
    params: dict[str, Any] = field(default_factory=dict)  # of its params.yaml, by section
    missing: dict[str, str] = field(default_factory=dict)  # stages whose manifest is not to be had, and why
    outs: dict[str, str] = field(default_factory=dict)  # DVC's md5 of every recorded output, by path
    lock: dict[str, LockedStage] = field(default_factory=dict)  # dvc.lock by stage; empty where there is none
    commit: str | None = None  # of git; None where unknown
    dirty: list[str] = field(default_factory=list)  # tracked files that differ from it, or (run) that there were some
    objects: Objects | None = field(default=None, repr=False)  # that files come from; None where they lie in `root`

    @property
    def results(self) -> Path:
        """The results folder, for the artifacts' readers."""
        return self.root / RESULTS

    def execution(self, stage: str) -> Execution:
        """A stage's execution. Raises UserError where its manifest is not to be had."""
        if stage not in self.executions:
            raise UserError(self.missing.get(stage, f"{self.name} has no stage {stage}"))
        return self.executions[stage]

    def param(self, key: str) -> Any:
        """A param by its dotted key, or a section. Raises KeyError where there is none of that name."""
        return value_at(self.params, key)

    def upstream(self, *last: str) -> list[str]:
        """Some stages and all that they follow from, makers first; published or not."""
        return upstream_of(self.stages, *last)

    def downstream(self, *first: str) -> list[str]:
        """Some stages and all that follow from them, makers first; published or not."""
        return downstream_of(self.stages, *first)

    def ancestry(self, last: str) -> list[Execution]:
        """The executions that a stage's result follows from, makers first, its own last."""
        return [self.executions[name] for name in self.upstream(last) if name in self.executions]

    def links(self, *readers: str) -> list[Link]:
        """Every recorded input of some stages (of all where none is named), in the order of the stages."""
        return [
            Link(name, artifact, self._holds(artifact))
            for name, execution in self.executions.items()
            if not readers or name in readers
            for artifact in execution.used.values()
        ]

    def broken(self, *readers: str) -> list[Link]:
        """The links that do not hold: what the reader read is not what the maker's manifest here names."""
        return [link for link in self.links(*readers) if link.holds == "no"]

    def _holds(self, artifact: Artifact) -> Holds:
        if artifact.maker is None:
            return "yes"
        if artifact.maker not in self.executions:
            return "unknown"
        return "yes" if self.executions[artifact.maker].digest_of(artifact.path) == artifact.sha256 else "no"

    def runs_of(self, stage: str) -> list[Run]:
        """MLflow runs that published this very result of a stage, the oldest first; none where MLflow has none."""
        return self.runs_by_stage([stage])[stage]

    def runs_by_stage(self, stages: Collection[str]) -> dict[str, list[Run]]:
        """`runs_of` for several stages, asked of MLflow at once."""
        digests = {name: self.executions[name].digest for name in stages if name in self.executions}
        found = self.tracking.of_manifests(set(digests.values()))
        return {name: found[digests[name]] if name in digests else [] for name in stages}

    def need(self, *paths: str | Path) -> Path:
        """Have some paths of the project below `root`; where the first lies. Raises UserError for one it lacks."""
        for path in map(Path, paths):
            target = self.root / path
            if self.objects is None:
                if not target.exists():
                    raise UserError(f"{path} is missing; run `dvc checkout`, or `dvc repro` to make it")
            elif not target.exists() or target.is_dir():
                self._bring(self.objects, path)
        return self.root / paths[0]

    def has(self, path: str | Path) -> bool:
        """Whether this state recorded a file of this path among its outputs."""
        if self.objects is None:
            return (self.root / path).exists()
        return bool(self.objects.files_at(self.outs, Path(path)))

    def outs_of(self, stage: str) -> dict[str, str]:
        """DVC's md5 of a stage's outputs, by path."""
        return {path: md5 for path, md5 in self.outs.items() if Path(path).is_relative_to(RESULTS / stage)}

    def changed(self, stage: str) -> list[str]:
        """Source files and params of the workspace that are not as they were when a stage ran; none elsewhere."""
        if self.objects is not None:
            return []
        execution, found = self.executions[stage], []
        for path, sha256 in execution.code.items():
            here = self.root / path
            if not here.is_file() or sha256_file(here) != sha256:
                found.append(path)
        for key, value in execution.params.items():
            with suppress(KeyError):
                if as_read(self.param(key), key) == value:
                    continue
            found.append(f"params.yaml: {key}")
        return found

    def unlike_lock(self, stage: str) -> str | None:
        """Why a workspace's result is not the one that dvc.lock records; None where it is, or that cannot be told."""
        manifest = RESULTS / stage / MANIFEST
        if self.objects is not None or stage not in self.executions:
            return None
        if stage not in self.lock:
            return f"dvc.lock records no {stage}: it ran without DVC, or dvc.lock was lost; `dvc commit` records it"
        recorded, whole = self.outs.get(manifest.as_posix()), self.outs.get(manifest.parent.as_posix())
        if whole and (objects := Objects(self.root)).has(whole):
            recorded = objects.files(whole).get(MANIFEST)
        if recorded is None or recorded == dvc_hash(self.root / manifest):
            return None
        return (
            f"{manifest.parent} is not what dvc.lock records: `dvc checkout` brings that back, `dvc repro` makes what "
            "belongs to the files here"
        )

    def _bring(self, objects: Objects, path: Path) -> None:
        try:
            recorded = objects.files_at(self.outs, path)
            wanted = {file: md5 for file, md5 in recorded.items() if not (self.root / file).is_file()}
            objects.fetch(wanted.values())
        except UserError as error:
            raise UserError(f"{path} of {self.name}: {error}") from None
        if not recorded:
            raise UserError(f"{self.name} has no {path}; it was made by another version, or the stage did not run")
        for file, md5 in wanted.items():
            link_or_copy(objects.path(md5), self.root / file)
