"""The copies of artifacts that MLflow keeps, and the versions of the registered model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.hashing import Digest
from tasks.audit.verify.places import Tree, walked
from tasks.audit.verify.state import State
from tasks.audit.verify.trusted import local
from tasks.lineage.mlflow import MANIFEST_TAG
from tasks.lineage.model import Execution, Run
from tasks.lineage.records import Record
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import REGISTERED_MODEL, SEAL

KEPT: dict[str, Sequence[str]] = {  # names in results/<stage>/ of which a run keeps copies, where they are there
    "mine": ("negatives.jsonl",),
    "base": ("loss.csv",),
    "train": ("adapter", "loss.csv", "exposures.parquet", "altered.parquet"),
    "encode": ("index.manifest.json", "failures.jsonl"),
    "evaluate": ("metrics.json", "systems.csv", "runs"),
    "report": ("report.html", "lineage.html", "plots"),
}


def copies_of(run: Run) -> Tree | None:
    """The copies that a run keeps, by their path in the run; None where they are not on this machine."""
    folder = local(run.artifacts)
    if folder is None or not folder.is_dir():
        return None
    return walked(folder, (), Path())


def check_copies(
    state: State, answer: Answer, manifest: Execution, run: Run, copies: Tree, outputs: dict[str, str]
) -> None:
    """Compare the copies with the digests of what they are copies of. `outputs`: sha256 by path in the folder."""
    expected = {MANIFEST: manifest.digest} | {
        name: sha256
        for name, sha256 in outputs.items()
        if any(name == kept or name.startswith(f"{kept}/") for kept in KEPT.get(manifest.stage, ()))
    }
    own = (RESULTS / manifest.stage / MANIFEST).as_posix()
    whole = SEAL in run.tags or run.status == "FINISHED"
    answer.count("MLflow's copies", len(copies.files), state.digests.size(copies.files.values()))
    for name in sorted({*expected, *copies.files, *copies.strange}):
        where, wanted = f"MLflow run {run.run_id} artifact {name}", expected.get(name)
        claim = wanted and f"sha256 {wanted}"
        found = state.digests.of(copies.files[name]) if name in copies.files else None
        if wanted is None:
            answer.find("extra", where, own, None, f"sha256 {found.sha256}" if isinstance(found, Digest) else None)
        elif found is None:
            if whole:
                answer.find("missing", where, own, claim, copies.strange.get(name))
        elif not isinstance(found, Digest):
            answer.find("missing" if found.missing else "unreadable", where, own, claim, found.reason)
        elif found.sha256 != wanted:
            answer.find("altered", where, own, claim, f"sha256 {found.sha256}")


def check_versions(answer: Answer, manifest: Execution, run: Run, record: Record, outputs: dict[str, str]) -> None:
    """Every finished run that made an adapter is a version of the registered model, tagged with its manifest."""
    for number, tags in record.versions.items():
        answer.count("registered model versions")
        where = f"MLflow model {REGISTERED_MODEL} version {number} tag {MANIFEST_TAG}"
        found = tags.get(MANIFEST_TAG)
        if found != manifest.digest:
            answer.find("altered" if found else "missing", where, f"MLflow run {run.run_id}", manifest.digest, found)
    trained = any(name.startswith("adapter/") for name in outputs)
    if manifest.stage == "train" and trained and not record.versions and SEAL in run.tags:
        where = f"MLflow model {REGISTERED_MODEL} of run {run.run_id}"
        answer.find("missing", where, "every run that trained an adapter registers it", None, None)
