"""The files that a lineage records of a stage, used only where their bytes are those recorded."""

from __future__ import annotations

from pathlib import Path

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file
from tasks.shared.runtime.parquet import read_parquet


def recorded_file(lineage: Lineage, path: str | Path, sha256: str | None = None) -> Path:
    """Where a recorded output lies.

    Args:
        sha256: of its bytes; by default as the manifest of its stage has it.

    Raises UserError where it is not to be had, or its bytes are others.
    """
    path = Path(path)
    if sha256 is None:
        execution = lineage.execution(path.parts[1])
        sha256 = execution.digest_of(path)
        if sha256 is None:
            raise UserError(f"the manifest of {execution.stage} has no {path}; it was made by another version")
    there = lineage.need(path)
    if (here := sha256_file(there)) != sha256:
        raise UserError(
            f"{path} of {lineage.name} is altered (sha256 {here[:12]}, recorded {sha256[:12]}); see `reeltrace audit "
            "verify`, restore it with `dvc checkout`"
        )
    return there


def listing_of(stage: str) -> str:
    """The path of the table that lists the files of a stage's large folders."""
    return (RESULTS / stage / FILES).as_posix()


def recorded_outputs(lineage: Lineage, stage: str) -> dict[str, str]:
    """sha256 of what `recorded_artifacts` has."""
    return {path: one.sha256 for path, one in recorded_artifacts(lineage, stage).items()}


def recorded_artifacts(lineage: Lineage, stage: str) -> dict[str, Artifact]:
    """Every output of a stage by path, those of large folders included.

    Raises UserError where the list of a large folder's files is not to be had.
    """
    found = lineage.execution(stage).generated
    if listing_of(stage) not in found:
        return found
    rows = read_parquet(recorded_file(lineage, listing_of(stage)), FILES_SCHEMA).to_pylist()
    return found | {row["path"]: Artifact(**row) for row in rows}
