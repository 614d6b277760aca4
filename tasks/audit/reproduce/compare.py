"""What a stage made in the worktree against what its manifest recorded, byte by byte."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.audit.reproduce.amounts import Amount, amount
from tasks.audit.reproduce.recorded import listed, recorded_file, recorded_outputs
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.model import Execution
from tasks.shared.artifacts.index import DATABASE, TABLE, describe, read_index_manifest
from tasks.shared.artifacts.publish import FILES, MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under, sha256_file
from tasks.shared.runtime.progress import progress

Verdict = Literal["identical bytes", "same outputs, another manifest", "differs", "not made", "taken as recorded"]


@dataclass(frozen=True)
class FileDifference:
    """An output that is not as recorded.

    Attributes:
        recorded, made: sha256; None for a file that is only in the other.
        amount: how much differs; None where only one is to be had, and `untold` says why.
    """

    path: str
    recorded: str | None
    made: str | None
    amount: Amount | None = None
    untold: str | None = None


@dataclass(frozen=True)
class StageResult:
    """A stage of the reproduction.

    Attributes:
        recorded, made: sha256 of its manifest; made is None where it was not run or did not finish.
        files: how many outputs were compared.
        differing: those that are not as recorded.
        manifest_differs: entries of the manifest that are not as recorded, those of outputs aside.
        runs: ids of MLflow's runs that published the recorded result.
        outs: DVC's hashes of the recorded outputs.
        seconds: of this run of the stage.
    """

    stage: str
    verdict: Verdict
    recorded: str
    made: str | None = None
    files: int = 0
    differing: list[FileDifference] = field(default_factory=list)
    manifest_differs: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    outs: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


def compare(lineage: Lineage, stage: str, root: Path, seconds: float | None = None) -> StageResult:
    """Compare a stage that was run below `root` with its record."""
    manifest = lineage.execution(stage)
    told = taken(lineage, stage)
    if not (root / RESULTS / stage / MANIFEST).is_file():
        return StageResult(stage, "not made", manifest.digest, runs=told.runs, outs=told.outs, seconds=seconds)
    made = read_manifest_file(root / RESULTS / stage / MANIFEST)
    after = made_outputs(root, stage, made.derived)
    before = _recorded(lineage, stage, after, root)
    differing = [
        _difference(lineage, root, path, before.get(path), after.get(path))
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    differing += _derived(stage, root, made)
    same: Verdict = "identical bytes" if made.digest == manifest.digest else "same outputs, another manifest"
    return StageResult(
        stage=stage,
        verdict="differs" if differing else same,
        recorded=manifest.digest,
        made=made.digest,
        files=len(after),
        differing=differing,
        manifest_differs=manifest_differences(manifest, made),
        runs=told.runs,
        outs=told.outs,
        seconds=seconds,
    )


def taken(lineage: Lineage, stage: str) -> StageResult:
    """A stage that is not run again."""
    runs = [run.run_id for run in lineage.runs_of(stage)]
    outs = {path: md5 for path, md5 in lineage.outs.items() if RESULTS / stage in (Path(path), *Path(path).parents)}
    return StageResult(stage, "taken as recorded", lineage.execution(stage).digest, runs=runs, outs=outs)


def _recorded(lineage: Lineage, stage: str, made: dict[str, str], root: Path) -> dict[str, str]:
    """sha256 of every recorded output by path.

    The list of a large folder's files is identified by its digest, so it may as well be the one that was made. Where
    it is in neither place, only the list is known to differ.
    """
    outputs = {path: entry.sha256 for path, entry in lineage.execution(stage).generated.items()}
    listing = (RESULTS / stage / FILES).as_posix()
    if listing in outputs and made.get(listing) == outputs[listing]:
        return outputs | listed(root / listing)
    try:
        return recorded_outputs(lineage, stage)
    except UserError:
        return {path: digest for path, digest in made.items() if path not in outputs} | outputs


def made_outputs(root: Path, stage: str, derived: list[str]) -> dict[str, str]:
    """sha256 of every output that lies below a root, its manifest and derived folders aside, by path."""
    paths = [path.relative_to(root) for path in files_under(root / RESULTS / stage)]
    own = RESULTS / stage / MANIFEST
    outputs = [path for path in paths if path != own and not any(Path(one) in path.parents for one in derived)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = progress(pool.map(lambda path: sha256_file(root / path), outputs), stage, len(outputs), "file")
        return {path.as_posix(): digest for path, digest in zip(outputs, digests, strict=True)}


def manifest_differences(recorded: Execution, made: Execution) -> list[str]:
    """Entries that differ, as `components.torch: 2.12 recorded, 2.13 here`; inputs by their paths."""
    parts = [
        (part, getattr(recorded, part), getattr(made, part)) for part in ("params", "code", "components", "counts")
    ]
    found = [
        f"{part}.{name}: {_brief(before.get(name))} recorded, {_brief(after.get(name))} here"
        for part, before, after in parts
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    ]
    inputs = sorted(recorded.used.keys() | made.used.keys())
    return found + [f"input {path}" for path in inputs if recorded.used.get(path) != made.used.get(path)]


def _brief(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:39]}…"


def _difference(lineage: Lineage, root: Path, path: str, recorded: str | None, made: str | None) -> FileDifference:
    if recorded is None or made is None:
        return FileDifference(path, recorded, made, untold="made here only" if recorded is None else "not made here")
    try:
        there = recorded_file(lineage, path, recorded)
    except UserError as error:
        return FileDifference(path, recorded, made, untold=f"how much cannot be told: {error}")
    try:
        return FileDifference(path, recorded, made, amount(there, root / path))
    except Exception as error:  # a reader of one format or another, on bytes that may be anything
        return FileDifference(path, recorded, made, untold=f"how much cannot be told: {' '.join(str(error).split())}")


def _derived(stage: str, root: Path, made: Execution) -> list[FileDifference]:
    """The index, whose bytes are never the same: whether its rows are what its content manifest says."""
    database = (RESULTS / stage / DATABASE).as_posix()
    if database not in made.derived:
        return []
    import lancedb

    stated = read_index_manifest(root / RESULTS / stage)
    table = lancedb.connect(str(root / database)).open_table(TABLE).to_arrow()
    if describe(table, stated.encoding) == stated:
        return []
    return [FileDifference(database, None, None, untold="its rows are not what its content manifest says")]
