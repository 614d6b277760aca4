"""`results/<stage>/` is published whole: written beside, its manifest last, then renamed into place.

The manifest (`manifest.json`) names what decided the bytes. It holds no times, hosts or run ids, so equal work gives an
equal manifest, and its own sha256 identifies the execution's result. Of a folder with more than `LISTED` files it says
how many and how large; each of them is a row of `files.parquet`, itself an output.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import files_under, read_json, sha256_file, write_json
from tasks.shared.runtime.parquet import read_parquet, write_parquet
from tasks.shared.runtime.progress import progress

MANIFEST = "manifest.json"
FILES = "files.parquet"
LISTED = 100  # files of a folder that the manifest itself names
FILES_SCHEMA = pa.schema([("path", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64())])


@contextmanager
def publishing(stage: str, root: Path = RESULTS) -> Iterator[Path]:
    """A folder to write into; it becomes `results/<stage>` when the block ends well, and goes when it does not."""
    target, partial, old = root / stage, root / f".{stage}.partial", root / f".{stage}.old"
    for leftover in (partial, old):
        shutil.rmtree(leftover, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        if target.exists():
            target.rename(old)
        try:
            partial.rename(target)
        except BaseException:
            if old.exists():
                old.rename(target)
            raise
    finally:
        for leftover in (partial, old):
            shutil.rmtree(leftover, ignore_errors=True)


def digests(paths: Iterable[Path], named: Mapping[Path, str] | None = None) -> dict[str, dict[str, Any]]:
    """sha256 and size of files, by path (or by the name given for it)."""
    found = {}
    for path in progress(list(paths), "sha256", unit="file"):
        name = (named or {}).get(path, path.as_posix())
        found[name] = {"sha256": sha256_file(path), "bytes": path.stat().st_size}
    return found


def input_files(path: Path) -> list[Path]:
    """The files that stand for an input: a published folder by its manifest, anything else by its own files."""
    manifest = path / MANIFEST
    return [manifest] if manifest.is_file() else files_under(path)


def write_manifest(
    out: Path,
    stage: str,
    *,
    params: Mapping[str, Any],
    code: Mapping[str, str],
    components: Iterable[str],
    inputs: Iterable[Path],
    counts: Mapping[str, int],
    derived: Iterable[str] = (),
) -> None:
    """Write `out/manifest.json` over everything already in `out`. `derived` names folders whose bytes are not
    reproducible (the LanceDB index): their files are not listed, their identity is a content manifest beside them."""
    derived = sorted(derived)
    names = {path: (RESULTS / stage / path.relative_to(out)).as_posix() for path in files_under(out)}
    names = {path: name for path, name in names.items() if path.relative_to(out).parts[0] not in derived}
    folders = _write_listing(out, names)
    if folders:
        names[out / FILES] = (RESULTS / stage / FILES).as_posix()
    manifest = {
        "stage": stage,
        "params": dict(params),
        "code": dict(code),
        "components": {name: version(name) for name in sorted(components)},
        "inputs": digests(sorted(set(inputs))),
        "outputs": digests([path for path in names if _folder(path, out) not in folders], names),
        "folders": {(RESULTS / stage / name).as_posix(): size for name, size in folders.items()},
        "derived": [(RESULTS / stage / name).as_posix() for name in derived],
        "counts": dict(counts),
    }
    write_json(out / MANIFEST, manifest)


def _folder(path: Path, out: Path) -> str:
    """The folder of `out` in which a file lies; empty for a file of `out` itself."""
    return path.relative_to(out).parts[0] if path.parent != out else ""


def _write_listing(out: Path, names: Mapping[Path, str]) -> dict[str, dict[str, int]]:
    """Write `files.parquet` over the folders with many files, where there are any; how many and how large, by name."""
    files = Counter(_folder(path, out) for path in names)
    many = {folder for folder, count in files.items() if folder and count > LISTED}
    if not many:
        return {}
    found = digests([path for path in names if _folder(path, out) in many], names)
    rows = [{"path": name, **found[name]} for name in sorted(found)]
    write_parquet(out / FILES, pa.Table.from_pylist(rows, schema=FILES_SCHEMA))
    sizes = Counter[str]()
    for path in names:
        sizes[_folder(path, out)] += path.stat().st_size
    return {folder: {"files": files[folder], "bytes": sizes[folder]} for folder in sorted(many)}


def read_manifest(stage: str, root: Path = RESULTS) -> dict[str, Any]:
    """The manifest of a published stage; UserError where the stage has not been run."""
    return read_json(root / stage / MANIFEST)


def read_outputs(stage: str, root: Path = RESULTS) -> dict[str, dict[str, Any]]:
    """Every output of a published stage, those of large folders included: sha256 and bytes by path."""
    outputs: dict[str, dict[str, Any]] = read_manifest(stage, root)["outputs"]
    if (RESULTS / stage / FILES).as_posix() not in outputs:
        return outputs
    rows = read_parquet(root / stage / FILES, FILES_SCHEMA).to_pylist()
    return outputs | {row.pop("path"): row for row in rows}
