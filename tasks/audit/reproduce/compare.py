"""What a stage made in the worktree against what its manifest recorded, byte by byte."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from tasks.audit.change import changes
from tasks.audit.recorded import identities, listed, listing_of, recorded_file, recorded_outputs
from tasks.audit.reproduce.amounts import Amount, amount
from tasks.audit.text import shortened
from tasks.lineage.lineage import Lineage
from tasks.lineage.manifest import read_manifest_file
from tasks.lineage.model import Execution, Run, manifest_path
from tasks.shared.artifacts.index import DATABASE, TABLE, describe, read_index_manifest
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
class Comparison:
    """A stage's recorded result against the one made here.

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


def compare(
    lineage: Lineage, stage: str, runs: list[Run], root: Path | None, seconds: float | None = None
) -> Comparison:
    """Compare a stage that was run below `root` with its record; where it was not run, root is None."""
    names = identities(lineage, stage, runs)
    known: dict[str, Any] = {
        "recorded": names["manifest"],
        "runs": names["runs"],
        "outs": names["dvc"],
        "seconds": seconds,
    }
    if root is None:
        return Comparison(stage, "taken as recorded", **known)
    if not (root / manifest_path(stage)).is_file():
        return Comparison(stage, "not made", **known)
    recorded, made = lineage.execution(stage), read_manifest_file(root / manifest_path(stage))
    after = _made(root, made)
    before = _recorded(lineage, stage, after, root)
    differing = [_difference(lineage, root, one.key, one.a, one.b) for one in changes(before, after)]
    differing += _index(root, made)
    same: Verdict = "identical bytes" if made.digest == recorded.digest else "same outputs, another manifest"
    return Comparison(
        stage,
        "differs" if differing else same,
        made=made.digest,
        files=len(after),
        differing=differing,
        manifest_differs=_manifest_differences(recorded, made),
        **known,
    )


def _recorded(lineage: Lineage, stage: str, made: dict[str, str], root: Path) -> dict[str, str]:
    """sha256 of every recorded output by path.

    The list of a large folder's files is identified by its digest, so it may as well be the one that was made. Where
    it is in neither place, only the list is known to differ.
    """
    outputs = {path: one.sha256 for path, one in lineage.execution(stage).generated.items()}
    listing = listing_of(stage)
    if listing in outputs and made.get(listing) == outputs[listing]:
        return outputs | listed(root / listing)
    try:
        return recorded_outputs(lineage, stage)
    except UserError:
        return {path: digest for path, digest in made.items() if path not in outputs} | outputs


def _made(root: Path, made: Execution) -> dict[str, str]:
    """sha256 of every output that lies below a root, its manifest and derived folders aside, by path."""
    paths = [path.relative_to(root).as_posix() for path in files_under(root / RESULTS / made.stage)]
    left_out = (manifest_path(made.stage), *(f"{folder}/" for folder in made.derived))
    outputs = [path for path in paths if not path.startswith(left_out)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        digests = pool.map(lambda path: sha256_file(root / path), outputs)
        return dict(zip(outputs, progress(digests, made.stage, len(outputs), "file"), strict=True))


def _manifest_differences(recorded: Execution, made: Execution) -> list[str]:
    """Entries that differ, as `components.torch: 2.12 recorded, 2.13 here`; inputs by their paths."""

    def brief(value: Any) -> str:
        return "nothing" if value is None else shortened(str(value), 40)

    found = [
        f"{part}.{one.key}: {brief(one.a)} recorded, {brief(one.b)} here"
        for part in ("params", "code", "components", "counts")
        for one in changes(getattr(recorded, part), getattr(made, part))
    ]
    return found + [f"input {one.key}" for one in changes(recorded.used, made.used)]


def _difference(lineage: Lineage, root: Path, path: str, recorded: str | None, made: str | None) -> FileDifference:
    if recorded is None or made is None:
        return FileDifference(path, recorded, made, untold="made here only" if recorded is None else "not made here")
    try:
        return FileDifference(path, recorded, made, amount(recorded_file(lineage, path, recorded), root / path))
    except Exception as error:  # a reader of one format or another, on bytes that may be anything
        return FileDifference(path, recorded, made, untold=f"how much cannot be told: {' '.join(str(error).split())}")


def _index(root: Path, made: Execution) -> list[FileDifference]:
    """The index, whose bytes are never the same: whether its rows are what its content manifest says."""
    database = (RESULTS / made.stage / DATABASE).as_posix()
    if database not in made.derived:
        return []
    import lancedb

    stated = read_index_manifest(root / RESULTS / made.stage)
    table = lancedb.connect(str(root / database)).open_table(TABLE).to_arrow()
    if describe(table, stated.encoding) == stated:
        return []
    return [FileDifference(database, None, None, untold="its rows are not what its content manifest says")]
