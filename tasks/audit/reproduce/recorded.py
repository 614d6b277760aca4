"""Recorded files of a state, believed only where their bytes are what the manifests say."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.publish import FILES, FILES_SCHEMA, MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import link_or_copy, sha256_file
from tasks.shared.runtime.parquet import read_parquet
from tasks.shared.runtime.progress import progress


def recorded_file(lineage: Lineage, path: str | Path, sha256: str | None = None) -> Path:
    """Where a recorded output lies.

    Args:
        sha256: of its bytes; where it is not given, as the manifest of its stage has it.

    Raises UserError where it is not to be had, or its bytes are others.
    """
    path = Path(path)
    if sha256 is None:
        manifest = lineage.execution(path.parts[1])
        if path.as_posix() not in manifest.generated:
            raise UserError(f"the manifest of {manifest.stage} has no {path}; it was made by another version")
        sha256 = str(manifest.generated[path.as_posix()].sha256)
    there = lineage.need(path)
    if (here := sha256_file(there)) != sha256:
        raise UserError(
            f"{path} of {lineage.name} is altered (sha256 {here[:12]}, recorded {sha256[:12]}); see `reeltrace audit "
            "verify`, restore it with `dvc checkout`"
        )
    return there


def recorded_outputs(lineage: Lineage, stage: str) -> dict[str, str]:
    """sha256 of every recorded output by path, those of large folders included.

    Raises UserError where the list of a large folder's files is not to be had.
    """
    found = {path: entry.sha256 for path, entry in lineage.execution(stage).generated.items()}
    listing = RESULTS / stage / FILES
    return found | listed(recorded_file(lineage, listing)) if listing.as_posix() in found else found


def listed(path: Path) -> dict[str, str]:
    """sha256 by path as a list of a large folder's files has it."""
    table = read_parquet(path, FILES_SCHEMA)
    return dict(zip(table.column("path").to_pylist(), table.column("sha256").to_pylist(), strict=True))


def bring(lineage: Lineage, stages: Collection[str], root: Path) -> int:
    """Put what stages published below a root, each file checked; how many files.

    The index is left out: no stage that makes a score reads it. Raises UserError where a file is not to be had or its
    bytes are not those recorded.
    """
    wanted: dict[str, str] = {}
    for stage in stages:
        if outs := _outs(lineage, stage):
            lineage.need(*outs)  # whole folders at once, not file by file
        wanted |= recorded_outputs(lineage, stage)
        wanted[(RESULTS / stage / MANIFEST).as_posix()] = lineage.execution(stage).digest
    _place(lineage, wanted, root)
    return len(wanted)


def _outs(lineage: Lineage, stage: str) -> list[str]:
    derived = lineage.execution(stage).derived
    return [
        path for path in lineage.outs if RESULTS / stage in (Path(path), *Path(path).parents) and path not in derived
    ]


def _place(lineage: Lineage, wanted: Mapping[str, str], root: Path) -> None:
    def place(path: str) -> None:
        link_or_copy(recorded_file(lineage, path, wanted[path]), root / path)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in progress(pool.map(place, wanted), "recorded files", total=len(wanted), unit="file"):
            pass
