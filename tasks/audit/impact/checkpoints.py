"""Which trainings showed a video or asked a query: this state's, and every other that MLflow knows.

A training is known by the manifest it published; what it showed is `exposures.parquet`, found by the digest that the
manifest has of it: here, in DVC's cache, or among the run's artifacts in MLflow.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
        manifest, adapter: sha256 of what the training published, and of its weights where that is to be had.
        here: whether it is this state's.
        runs: executions in MLflow that published it; versions: of the registered model that are this adapter.
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
        self.here = lineage.executions.get("train")
        self._objects = lineage.objects or Objects(lineage.root)

    def having(self, shown: Callable[[Exposure], bool]) -> list[Checkpoint]:
        """Trainings, this state's first, then the newest first, and whether they have such an exposure."""
        versions = versions_by_run(self.lineage.tracking.uri, self.lineage.tracking.root)
        found = []
        for digest, (runs, execution, exposures, why) in self._trainings.items():
            here, count = self.here is not None and self.here.digest == digest, sum(map(shown, exposures))
            hashes = [one.get(FOLDER.as_posix()) for one in [self.lineage.outs] * here + [run.outs for run in runs]]
            found.append(
                Checkpoint(
                    manifest=digest,
                    adapter=execution.digest_of(WEIGHTS) if execution else None,
                    here=here,
                    runs=runs,
                    versions=[version for run in runs for version in versions.get(run.run_id, [])],
                    dvc=next(filter(None, hashes), None),
                    shown="unknown" if why else "yes" if count else "no",
                    exposures=count,
                    why=why,
                )
            )
        return found

    @cached_property
    def _trainings(self) -> dict[str, tuple[list[Run], Execution | None, list[Exposure], str | None]]:
        """By manifest: the runs that published it, what it says, what was shown, and why that is unknown."""
        found: dict[str, list[Run]] = {self.here.digest: []} if self.here else {}
        for run in reversed(self.lineage.tracking.of_stages(["train"])):
            if run.manifest is not None:
                found.setdefault(run.manifest, []).append(run)
        return {digest: (runs, *self._read(digest, runs)) for digest, runs in found.items()}

    def _read(self, digest: str, runs: list[Run]) -> tuple[Execution | None, list[Exposure], str | None]:
        why = "MLflow has it, but not what it showed"
        if self.here is not None and self.here.digest == digest:
            try:
                if EXPOSURES in self.here.generated:
                    self.lineage.need(EXPOSURES)
                return (self.here, *_exposures(self.here, self.lineage.results / FOLDER.name))
            except UserError as error:
                return self.here, [], str(error)
        for run, source in ((run, source) for run in runs for source in (self._in_cache, _in_mlflow)):
            try:
                with source(run) as folder:
                    execution = read_manifest_file(folder / MANIFEST)
                    if execution.digest == digest:
                        return (execution, *_exposures(execution, folder))
                    why = f"the manifest of run {run.run_id} is not the one it published"
            except (UserError, OSError) as error:
                why = f"what run {run.run_id} showed is not to be had: {' '.join(str(error).split())[:200]}"
        return None, [], why

    @contextmanager
    def _in_cache(self, run: Run) -> Iterator[Path]:
        """Manifest and exposures out of DVC's cache; no remote is asked for a training of long ago."""
        md5 = run.outs.get(FOLDER.as_posix(), "")
        files = self._objects.files(md5) if md5 and self._objects.has(md5) else {}
        with tempfile.TemporaryDirectory() as folder:
            for name in {MANIFEST, TABLE} & files.keys():
                link_or_copy(self._objects.path(files[name]), Path(folder) / name)
            yield Path(folder)


@contextmanager
def _in_mlflow(run: Run) -> Iterator[Path]:
    """The artifacts of a run, where they lie on this machine."""
    address = urlparse(run.artifacts)
    if address.scheme not in ("", "file"):
        raise UserError(f"DVC's cache does not have it; MLflow keeps it at {run.artifacts}")
    yield Path(unquote(address.path))


def _exposures(execution: Execution, folder: Path) -> tuple[list[Exposure], str | None]:
    """What a training showed, proved to be what its manifest says; or why that is unknown."""
    if not execution.counts.get("steps"):
        return [], None
    if EXPOSURES not in execution.generated:
        return [], "made before trainings recorded what they show; run it again to know"
    if sha256_file(folder / TABLE) != execution.generated[EXPOSURES].sha256:
        raise UserError(f"{folder / TABLE} is not what its manifest says; `reeltrace audit verify` says more")
    return read_exposures(folder), None
