"""Datasets of a state: what stages wrote and read, each under its name and with a digest for its version.

A file is a dataset, versioned by the sha256 of its bytes. So is what a stage published as a whole, `results/<stage>`,
by the sha256 of its manifest, which lists the sha256 of every file; a stage that depends on the folder read that. A
folder with a file an item (videos, frames, audio) or with a model's files is one dataset, by the digest of its
listing; the LanceDB table, whose bytes are not reproducible, by the digest of the manifest of its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tasks.audit.export.names import Name, Names
from tasks.lineage.model import Artifact, Execution, Holds, Link
from tasks.shared.artifacts import index, models
from tasks.shared.artifacts.publish import FILES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json

Kind = Literal["FILE", "FOLDER", "MODEL", "TABLE", "STAGE"]
Files = Mapping[str, Artifact]  # by path

OF_FILE = "the file's bytes"
OF_STAGE = "manifest.json, which has the sha256 of every file"
OF_LISTING = "the canonical JSON of the sha256 of every file by its path in the folder"
OF_CONTENT = f"{index.MANIFEST}, which describes the table's content"

KINDS: dict[str, Kind] = {  # folders that are one dataset
    "results/corpus/videos": "FOLDER",
    "results/extract/frames": "FOLDER",
    "results/extract/audio": "FOLDER",
    "results/base/model": "MODEL",
    f"results/train/{models.ADAPTER}": "MODEL",
}
TABLE = (index.FOLDER / index.DATABASE).as_posix()


@dataclass(frozen=True)
class Dataset:
    """A version of a dataset.

    Attributes:
        version: the digest, or a model's commit on the hub; None where none was recorded.
        identity: what the version is the digest of, or why there is none.
        path: where it lies below the state's root; None for what lies elsewhere.
        files, bytes: how many and how large; None where that was not recorded.
    """

    name: Name
    kind: Kind
    version: str | None
    identity: str
    path: str | None = None
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True)
class Read:
    """A dataset that a stage read: the stage that made it (None: it is from outside), and whether that made this."""

    dataset: Dataset
    maker: str | None
    holds: Holds


def listing(files: Mapping[str, str]) -> str:
    """The version of a folder: of sha256 by path in the folder."""
    return sha256_json(dict(files))


def written(manifest: Execution, outputs: Files, names: Names) -> list[Dataset]:
    """What a stage published: the whole of it first, then its parts by path.

    Args:
        outputs: of the stage, those of large folders included where their listing is to be had.
    """
    found = [_whole(manifest, names)]
    groups = _groups(outputs, manifest.folders)
    found += [_part(path, group, names) for path, group in groups.items()]
    for path, size in manifest.folders.items():
        if path not in groups:
            unlisted = f"no digest: its listing, {FILES}, is not to be had"
            found.append(Dataset(names.file(path), "FOLDER", None, unlisted, path, size["files"], size["bytes"]))
    content = outputs.get((index.FOLDER / index.MANIFEST).as_posix())
    for path in manifest.derived:
        if path == TABLE and content is not None:
            found.append(Dataset(names.file(path), "TABLE", content.sha256, OF_CONTENT, path))
        else:
            found.append(Dataset(names.file(path), "FOLDER", None, "no digest: its bytes are not reproducible", path))
    return found


def read(links: Iterable[Link], makers: Mapping[str, Execution], names: Names) -> list[Read]:
    """What a stage read, of its links: a manifest stands for all that its stage published."""
    found: list[Read] = []
    parts: dict[str, Link] = {}
    for link in links:
        if link.maker and link.artifact.kind == "manifest":
            whole = Dataset(names.file((RESULTS / link.maker).as_posix()), "STAGE", link.artifact.sha256, OF_STAGE)
            whole = _whole(makers[link.maker], names) if link.holds == "yes" else whole
            found.append(Read(whole, link.maker, link.holds))
        else:
            parts[link.artifact.path] = link
    files = {path: link.artifact for path, link in parts.items()}
    groups = _groups(files, {folder for manifest in makers.values() for folder in manifest.folders})
    for path, group in groups.items():
        together = [parts[file] for file in group]
        worst: Holds = next(one for one in ("no", "unknown", "yes") if any(link.holds == one for link in together))
        found.append(Read(_part(path, group, names), together[0].maker, worst))
    return found


def _whole(manifest: Execution, names: Names) -> Dataset:
    """All that a stage published."""
    path = (RESULTS / manifest.stage).as_posix()
    listed = manifest.generated.values()
    files = len(listed) + sum(size["files"] for size in manifest.folders.values())
    size = sum(entry.bytes for entry in listed) + sum(size["bytes"] for size in manifest.folders.values())
    return Dataset(names.file(path), "STAGE", manifest.digest, OF_STAGE, path, files, size)


def _groups(files: Files, large: Iterable[str]) -> dict[str, Files]:
    """By the path of each dataset, sorted, the files that are it."""
    together = {*KINDS, *large}
    groups: dict[str, dict[str, Artifact]] = {}
    for path, entry in files.items():
        folder = "/".join(path.split("/", 3)[:3])  # results/<stage>/<folder>
        folder = folder if folder in together else path
        groups.setdefault(folder, {})[path] = entry
    return {path: groups[path] for path in sorted(groups)}


def _part(path: str, files: Files, names: Names) -> Dataset:
    size = sum(entry.bytes for entry in files.values())
    if path in files:
        return Dataset(names.file(path), "FILE", files[path].sha256, OF_FILE, path, 1, size)
    by_name = {file.removeprefix(f"{path}/"): entry.sha256 for file, entry in files.items()}
    return Dataset(names.file(path), KINDS.get(path, "FOLDER"), listing(by_name), OF_LISTING, path, len(files), size)
