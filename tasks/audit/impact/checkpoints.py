"""Which trainings showed a video or asked a query: this state's, and every other that MLflow knows.

A training is known by the manifest it published; what it showed is `exposures.parquet`, found by the digest that the
manifest has of it: here, in DVC's cache, or among the run's artifacts in MLflow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlparse

from tasks.lineage.dvc import Objects
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.model import Run
from tasks.lineage.records import versions_by_run
from tasks.shared.artifacts.exposures import FOLDER, ROWS, TABLE, Exposure
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file

EXPOSURES = FOLDER / TABLE
WEIGHTS = FOLDER / "adapter" / "adapter_model.safetensors"


@dataclass(frozen=True)
class Checkpoint:
    """A training and what it showed of an item."""

    manifest: str  # sha256 of what it published
    adapter: str | None  # sha256 of its weights, where that is to be had
    here: bool  # whether it is this state's
    runs: list[Run]  # that published it
    versions: list[str]  # of the registered model
    dvc: str | None  # DVC's md5 of results/train
    exposures: int | None  # rows of videos, queries and roles that it showed; None where that is unknown
    why: str | None  # it is unknown


def trainings(lineage: Lineage) -> list[tuple[Checkpoint, list[Exposure]]]:
    """The trainings of a project and all that each showed: this state's first, then the newest first."""
    here = lineage.executions.get("train")
    found: dict[str, list[Run]] = {here.digest: []} if here else {}
    for run in reversed(lineage.tracking.of_stages(["train"])):
        if run.manifest is not None:
            found.setdefault(run.manifest, []).append(run)
    versions = versions_by_run(lineage.tracking.uri, lineage.tracking.root)
    objects = lineage.objects or Objects(lineage.root)
    trained = []
    for manifest, runs in found.items():
        is_here = here is not None and manifest == here.digest
        outs = [lineage.outs if is_here else {}, *(run.outs for run in runs)]
        training = Checkpoint(
            manifest,
            adapter=here.digest_of(WEIGHTS) if here and is_here else None,
            here=is_here,
            runs=runs,
            versions=[version for run in runs for version in versions.get(run.run_id, [])],
            dvc=next((one[FOLDER.as_posix()] for one in outs if FOLDER.as_posix() in one), None),
            exposures=None,
            why=f"what it showed is not on this machine; MLflow has {', '.join(run.artifacts for run in runs)}",
        )
        trained.append(_read(training, _places(training, lineage, objects)))
    return trained


def _read(training: Checkpoint, places: Iterable[tuple[Path, Path]]) -> tuple[Checkpoint, list[Exposure]]:
    """A training with its weights' digest, and what it showed, by the first place whose bytes are those recorded."""
    for manifest, table in places:
        try:
            execution = read_manifest_file(manifest)
            if execution.digest != training.manifest:
                raise UserError(f"{manifest} is not the manifest that it published")
            training = replace(training, adapter=execution.digest_of(WEIGHTS), why=None)
            recorded = execution.digest_of(EXPOSURES)
            if not execution.counts.get("steps"):
                return training, []
            if recorded is None:
                return replace(training, why="made before trainings recorded what they show; run it again to know"), []
            if sha256_file(table) != recorded:
                raise UserError(f"{table} is not what its manifest says; `reeltrace audit verify` says more")
            return training, replace(ROWS, name="").read(table)  # in DVC's cache it has another name
        except (UserError, OSError) as error:
            training = replace(training, why=" ".join(str(error).split())[:200])
    return training, []


def _places(training: Checkpoint, lineage: Lineage, objects: Objects) -> Iterator[tuple[Path, Path]]:
    """Where its manifest and the table of what it showed may lie; no remote is asked for one of long ago."""
    if training.here:
        with suppress(UserError):
            lineage.need(EXPOSURES)
        yield lineage.results / "train" / MANIFEST, lineage.root / EXPOSURES
    for run in training.runs:
        address = urlparse(run.artifacts)
        if address.scheme in ("", "file"):
            yield Path(unquote(address.path), MANIFEST), Path(unquote(address.path), TABLE)
        with suppress(UserError):
            md5 = run.outs.get(FOLDER.as_posix(), "")
            files = objects.files(md5) if md5 and objects.has(md5) else {}
            if all(name in files and objects.has(files[name]) for name in (MANIFEST, TABLE)):
                yield objects.path(files[MANIFEST]), objects.path(files[TABLE])
