"""Which trainings showed a video or asked a query: this state's, and every other that MLflow knows.

A training is known by the manifest it published; what it showed is `exposures.parquet`, found by the digest that the
manifest has of it: here, among DVC's objects, or among the run's artifacts in MLflow.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlparse

from tasks.lineage.dvc import Objects
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import parse_manifest
from tasks.lineage.mlflow import SQLITE, database_of
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.exposures import TABLE, Exposure, read_exposures
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.execution.tracking import REGISTERED_MODEL
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

EXPOSURES = f"results/train/{TABLE}"
WEIGHTS = "results/train/adapter/adapter_model.safetensors"


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


class Checkpoints:
    """The trainings of a project."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self._objects = lineage.objects or Objects(lineage.root)

    def of_video(self, video_id: str) -> list[Checkpoint]:
        """Trainings, this state's first, then the newest first, and whether they showed a video."""
        return _compared([self._checked(digest, video_id=video_id) for digest in self._trainings])

    def of_query(self, query_id: str) -> list[Checkpoint]:
        """The same of a query."""
        return _compared([self._checked(digest, query_id=query_id) for digest in self._trainings])

    @cached_property
    def _trainings(self) -> dict[str, list[Run]]:
        """Runs by the manifest that they published."""
        found: dict[str, list[Run]] = {}
        if here := self.lineage.executions.get("train"):
            found[here.digest] = []
        for one in reversed(self.lineage.tracking.of_stages(["train"])):
            if one.manifest is not None:
                found.setdefault(one.manifest, []).append(one)
        return found

    @cached_property
    def _versions(self) -> dict[str, list[str]]:
        """Versions of the registered model by run id."""
        tracking = self.lineage.tracking
        found: dict[str, list[str]] = {}
        try:
            if tracking.uri.startswith(SQLITE):
                pairs = _registered(database_of(tracking.uri, tracking.root))
            else:
                from mlflow import MlflowClient

                versions = MlflowClient(tracking.uri).search_model_versions(f"name = '{REGISTERED_MODEL}'")
                pairs = [(str(one.run_id), str(one.version)) for one in versions]
        except Exception:  # a registry out of reach costs the versions, not the answer; tracking says what is wrong
            return {}
        for run_id, version in pairs:
            found.setdefault(run_id, []).append(version)
        return found

    @cached_property
    def _known(self) -> dict[str, tuple[Execution | None, list[Exposure], str | None]]:
        return {}

    def _checked(self, digest: str, video_id: str | None = None, query_id: str | None = None) -> Checkpoint:
        executions = self._trainings[digest]
        if digest not in self._known:
            self._known[digest] = self._read(digest, executions)
        manifest, shown, why = self._known[digest]
        found = [one for one in shown if video_id in (None, one.video_id) and query_id in (None, one.query_id)]
        here = self.lineage.executions.get("train")
        is_here = here is not None and here.digest == digest
        hashes = [one.outs["results/train"] for one in executions if "results/train" in one.outs]
        if is_here and "results/train" in self.lineage.outs:
            hashes.insert(0, self.lineage.outs["results/train"])
        return Checkpoint(
            manifest=digest,
            adapter=manifest.digest_of(WEIGHTS) if manifest else None,
            here=is_here,
            runs=executions,
            versions=[version for one in executions for version in self._versions.get(one.run_id, [])],
            dvc=hashes[0] if hashes else None,
            shown="unknown" if why else "yes" if found else "no",
            exposures=len(found),
            why=why,
        )

    def _read(self, digest: str, executions: list[Run]) -> tuple[Execution | None, list[Exposure], str | None]:
        """The manifest and exposures of a training, or why they are not to be had."""
        here = self.lineage.executions.get("train")
        if here is not None and here.digest == digest:
            try:
                if EXPOSURES not in here.generated:
                    return here, [], None if not here.counts.get("steps") else _unrecorded()
                return here, read_exposures(_proved(self.lineage.need(EXPOSURES), here).parent), None
            except UserError as error:
                return here, [], str(error)
        why = "MLflow has it, but not what it showed"
        for one in executions:
            for place in (self._of_objects, self._of_artifacts):
                try:
                    with place(one) as folder:
                        manifest = parse_manifest((folder / MANIFEST).read_bytes(), MANIFEST)
                        if manifest.digest != digest:
                            why = f"the manifest of run {one.run_id} is not the one it published"
                            continue
                        if EXPOSURES not in manifest.generated:
                            return manifest, [], _unrecorded() if manifest.counts.get("steps") else None
                        return manifest, read_exposures(_proved(folder / TABLE, manifest).parent), None
                except (UserError, OSError, KeyError) as error:
                    why = f"what run {one.run_id} showed is not to be had: {' '.join(str(error).split())[:200]}"
        return None, [], why

    @contextmanager
    def _of_objects(self, one: Run) -> Iterator[Path]:
        """A folder of the manifest and the exposures, out of DVC's cache."""
        md5 = one.outs["results/train"]
        if not self._objects.has(md5):
            raise UserError("DVC's cache does not have it")
        files = self._objects.files(md5)
        with tempfile.TemporaryDirectory() as folder:
            for name in (MANIFEST, TABLE):
                if name in files:
                    (Path(folder) / name).symlink_to(self._objects.path(files[name]).absolute())
            yield Path(folder)

    @contextmanager
    def _of_artifacts(self, one: Run) -> Iterator[Path]:
        """A run's artifacts: where they lie, or fetched from the server."""
        address = urlparse(one.artifacts)
        if address.scheme in ("", "file"):
            yield Path(unquote(address.path))
            return
        from mlflow.artifacts import download_artifacts
        from mlflow.exceptions import MlflowException

        with tempfile.TemporaryDirectory() as folder:
            for name in (MANIFEST, TABLE):
                try:
                    download_artifacts(
                        run_id=one.run_id, artifact_path=name, dst_path=folder,
                        tracking_uri=self.lineage.tracking.uri,
                    )  # fmt: skip
                except MlflowException as error:
                    raise UserError(f"MLflow does not give its {name}: {error}") from None
            yield Path(folder)


def _compared(found: list[Checkpoint]) -> list[Checkpoint]:
    """Where it is unknown what a training showed, and another gave the very same adapter, that is said."""
    known = {one.adapter: one for one in found if one.adapter and one.shown != "unknown"}
    return [
        replace(one, why=f"{one.why}; manifest {twin.manifest[:12]} has the same adapter: {twin.shown}")
        if one.shown == "unknown" and one.adapter and (twin := known.get(one.adapter))
        else one
        for one in found
    ]


def _unrecorded() -> str:
    return "made before trainings recorded what they show; run it again to know"


def _proved(path: Path, manifest: Execution) -> Path:
    """The exposures, proved to be those of the manifest."""
    if sha256_file(path) != manifest.generated[EXPOSURES].sha256:
        raise UserError(f"{path} is not what its manifest says; `reeltrace audit verify` says more")
    return path


def _registered(database: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True, timeout=5) as connection:
        query = "SELECT run_id, version FROM model_versions WHERE name = ? ORDER BY version"
        return [(run_id, str(version)) for run_id, version in connection.execute(query, [REGISTERED_MODEL])]
