"""Which trainings showed a video or asked a query: this state's, and every other that MLflow knows.

A training is known by the manifest it published; what it showed is `exposures.parquet`, found by the digest that the
manifest has of it: here, among DVC's objects, or among the run's artifacts in MLflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from tasks.lineage.dvc import Objects
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.model import Execution, Run
from tasks.lineage.records import versions_by_run
from tasks.shared.artifacts.exposures import FOLDER, TABLE, Exposure, read_exposures
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy, sha256_file

EXPOSURES = (FOLDER / TABLE).as_posix()
WEIGHTS = FOLDER / "adapter" / "adapter_model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A training and whether it showed what was asked for.

    Attributes:
        manifest: sha256 of what the training published.
        adapter: sha256 of the adapter's weights; None where that is not to be had.
        here: whether it is this state's.
        runs: executions in MLflow that published it.
        versions: of the registered model that are this adapter.
        dvc: DVC's md5 of results/train.
        shown: whether it did; `why` says why that is unknown, where it is.
        exposures: how many videos, queries and roles of it there are.
    """

    manifest: str
    adapter: str | None
    here: bool
    runs: list[Run]
    versions: list[str]
    dvc: str | None
    shown: Literal["yes", "no", "unknown"]
    exposures: int
    why: str | None


@dataclass(frozen=True)
class _Training:
    """What is known of a training: its manifest, what it showed, and why that is unknown, where it is."""

    execution: Execution | None
    exposures: list[Exposure]
    why: str | None


class Checkpoints:
    """The trainings of a project."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.here = lineage.executions.get("train")
        self._objects = lineage.objects or Objects(lineage.root)

    def having(self, shown: Callable[[Exposure], bool]) -> list[Checkpoint]:
        """Trainings, this state's first, then the newest first, and whether they have such an exposure."""
        return [self._checkpoint(digest, runs, shown) for digest, runs in self._runs.items()]

    @cached_property
    def _runs(self) -> dict[str, list[Run]]:
        """Runs by the manifest that they published."""
        found: dict[str, list[Run]] = {self.here.digest: []} if self.here else {}
        for run in reversed(self.lineage.tracking.of_stages(["train"])):
            if run.manifest is not None:
                found.setdefault(run.manifest, []).append(run)
        return found

    @cached_property
    def _versions(self) -> dict[str, list[str]]:
        return versions_by_run(self.lineage.tracking.uri, self.lineage.tracking.root)

    @cached_property
    def _trainings(self) -> dict[str, _Training]:
        return {digest: self._read(digest, runs) for digest, runs in self._runs.items()}

    def _checkpoint(self, digest: str, runs: list[Run], shown: Callable[[Exposure], bool]) -> Checkpoint:
        training, folder = self._trainings[digest], FOLDER.as_posix()
        count = sum(map(shown, training.exposures))
        here = self.here is not None and self.here.digest == digest
        hashes = [self.lineage.outs.get(folder) if here else None, *(run.outs.get(folder) for run in runs)]
        return Checkpoint(
            manifest=digest,
            adapter=training.execution.digest_of(WEIGHTS) if training.execution else None,
            here=here,
            runs=runs,
            versions=[version for run in runs for version in self._versions.get(run.run_id, [])],
            dvc=next(filter(None, hashes), None),
            shown="unknown" if training.why else "yes" if count else "no",
            exposures=count,
            why=training.why,
        )

    def _read(self, digest: str, runs: list[Run]) -> _Training:
        if self.here is not None and self.here.digest == digest:
            try:
                if EXPOSURES in self.here.generated:
                    self.lineage.need(EXPOSURES)
                return _training(self.here, self.lineage.results / FOLDER.name)
            except UserError as error:
                return _Training(self.here, [], str(error))
        why = "MLflow has it, but not what it showed"
        for run in runs:
            for copy in (self._from_objects, self._from_mlflow):
                try:
                    with tempfile.TemporaryDirectory() as temporary:
                        folder = copy(run, Path(temporary))
                        execution = read_manifest_file(folder / MANIFEST)
                        if execution.digest == digest:
                            return _training(execution, folder)
                        why = f"the manifest of run {run.run_id} is not the one it published"
                except (UserError, OSError) as error:
                    why = f"what run {run.run_id} showed is not to be had: {' '.join(str(error).split())[:200]}"
        return _Training(None, [], why)

    def _from_objects(self, run: Run, folder: Path) -> Path:
        """A folder with manifest and exposures out of DVC's cache; no remote is asked for a training of long ago."""
        md5 = run.outs.get(FOLDER.as_posix(), "")
        if not md5 or not self._objects.has(md5):
            raise UserError("DVC's cache does not have it")
        for name, one in self._objects.files(md5).items():
            if name in (MANIFEST, TABLE):
                link_or_copy(self._objects.path(one), folder / name)
        return folder

    def _from_mlflow(self, run: Run, folder: Path) -> Path:
        """A folder with a run's artifacts: where they lie, or fetched from the server."""
        address = urlparse(run.artifacts)
        if address.scheme in ("", "file"):
            return Path(unquote(address.path))
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        try:
            for name in (MANIFEST, TABLE):
                download_artifacts(f"{run.artifacts}/{name}", dst_path=str(folder),
                                   tracking_uri=self.lineage.tracking.uri)  # fmt: skip
        except MlflowException as error:
            raise UserError(f"MLflow does not give its artifacts: {error}") from None
        return folder


def _training(execution: Execution, folder: Path) -> _Training:
    """A training whose exposures lie in a folder, proved to be those of its manifest."""
    if not execution.counts.get("steps"):
        return _Training(execution, [], None)
    if EXPOSURES not in execution.generated:
        why = "made before trainings recorded what they show; run it again to know"
        return _Training(execution, [], why)
    if sha256_file(folder / TABLE) != execution.generated[EXPOSURES].sha256:
        raise UserError(f"{folder / TABLE} is not what its manifest says; `reeltrace audit verify` says more")
    return _Training(execution, read_exposures(folder), None)
