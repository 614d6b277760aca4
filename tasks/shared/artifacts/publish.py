"""`results/<stage>/` is published whole: written beside, its manifest last, then renamed into place.

The manifest (`manifest.json`) names what decided the bytes: inputs and outputs with sha256 and size, the stage's
params, its code, the versions of the components that matter, and item counts. It holds no times, hosts or run ids,
so equal work gives an equal manifest, and its own sha256 identifies the execution's result.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tasks.shared.files import files_under, read_json, sha256_file, write_json

RESULTS = Path("results")
MANIFEST = "manifest.json"


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
    names = named or {}
    return {
        names.get(path, path.as_posix()): {"sha256": sha256_file(path), "bytes": path.stat().st_size} for path in paths
    }


def input_files(path: Path) -> list[Path]:
    """The files that stand for an input: a published folder by its manifest, anything else by its own files."""
    manifest = path / MANIFEST
    return [manifest] if manifest.is_file() else files_under(path)


def write_manifest(
    out: Path,
    stage: str,
    *,
    params: Mapping[str, Any],
    code: Iterable[Path],
    components: Iterable[str],
    inputs: Iterable[Path],
    counts: Mapping[str, int],
    derived: Iterable[str] = (),
) -> Path:
    """Write `out/manifest.json` over everything already in `out`.

    `derived` names folders whose bytes are not reproducible (the LanceDB index): their identity is a content
    manifest written beside them, so their files are not listed.
    """
    derived = sorted(derived)
    outputs = [path for path in files_under(out) if path.relative_to(out).parts[0] not in derived]
    manifest = {
        "stage": stage,
        "params": dict(params),
        "code": {name: entry["sha256"] for name, entry in digests(code).items()},
        "components": {name: version(name) for name in sorted(components)},
        "inputs": digests(sorted(set(inputs))),
        "outputs": digests(outputs, {path: (RESULTS / stage / path.relative_to(out)).as_posix() for path in outputs}),
        "derived": [(RESULTS / stage / name).as_posix() for name in derived],
        "counts": dict(counts),
    }
    write_json(out / MANIFEST, manifest)
    return out / MANIFEST


def read_manifest(stage: str, root: Path = RESULTS) -> dict[str, Any]:
    """The manifest of a published stage; UserError where the stage has not been run."""
    manifest: dict[str, Any] = read_json(root / stage / MANIFEST)
    return manifest
