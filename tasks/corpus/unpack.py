"""The files of one split of MultiVENT 2.0, in its folder and in its tars.

A tar is unpacked once into the item store, under what decides the bytes: code, tar and suffixes. A folder there holds
the wanted members side by side, without the folders they were in. It is filled under another name and renamed when it
is whole, so a killed run leaves nothing that looks finished.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.source import VIDEO_SUFFIXES
from tasks.corpus.tars import TAR_SUFFIXES, extract_members
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_json, write_json
from tasks.shared.runtime.progress import progress

KEPT = (*VIDEO_SUFFIXES, ".json", ".csv")
MEMBERS = ".members.json"  # sizes of the files kept, and the names of those left out; written last


@dataclass
class Files:
    """Files of one split: videos by id, and what describes them."""

    videos: dict[str, Path] = field(default_factory=dict)
    metadata: dict[str, Path] = field(default_factory=dict)
    captions: list[Path] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def find_files(folder: Path, workers: int) -> Files:
    """Sort the files of a split, those in its tars included. Raises UserError where two videos have one name."""
    found = Files()
    tars = []
    for file in sorted(folder.rglob("*")):
        if file.name.startswith("."):
            found.ignored.append(file.as_posix())
        elif file.name.endswith(TAR_SUFFIXES) and file.is_file():
            tars.append(file)
        elif file.is_file():
            _sort(found, file, file.as_posix())
    for tar, place in unpacked(tars, KEPT, workers).items():
        for file in sorted(place.iterdir()):
            if not file.name.startswith("."):
                _sort(found, file, f"{tar}:{file.name}")
        found.ignored += [f"{tar}:{name}" for name in left_out(place)]
    for video_id in sorted(found.metadata.keys() - found.videos.keys()):
        found.ignored.append(found.metadata.pop(video_id).name)
    return found


def _sort(found: Files, file: Path, name: str) -> None:
    if file.suffix.lower() in VIDEO_SUFFIXES:
        if other := found.videos.get(file.stem):
            raise UserError(f"video {file.stem} is there twice: {other} and {file}; keep one")
        found.videos[file.stem] = file
    elif file.suffix == ".json":
        found.metadata[file.stem] = file
    elif file.suffix == ".csv":
        found.captions.append(file)
    else:
        found.ignored.append(name)


def unpacked(tars: Sequence[Path], suffixes: Collection[str], workers: int) -> dict[Path, Path]:
    """The folders with the members of each tar whose names end in `suffixes`.

    Raises UserError for a tar that is damaged, holds a member that would land outside, or two of one name.
    """
    marks = fingerprints(tars, workers, probe=False)
    decides = [code_of("tasks.corpus.tars"), sorted(suffixes)]
    folders = {tar: store_folder() / "unpacked" / sha256_json([*decides, marks[tar].sha256]) for tar in tars}
    missing = [tar for tar in tars if not _whole(folders[tar])]
    for tar in progress(missing, "unpack", len(missing), "tar"):
        if not _whole(folders[tar]):  # two tars may have the same bytes
            _unpack(tar, folders[tar], suffixes)
    return folders


def left_out(folder: Path) -> list[str]:
    """Names of the members that were not unpacked."""
    names: list[str] = read_json(folder / MEMBERS)["left_out"]
    return names


def _whole(folder: Path) -> bool:
    """Whether the folder has every file in its size; the digests of videos are looked at where they are read."""
    try:
        sizes = read_json(folder / MEMBERS)["sizes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (UserError, OSError, KeyError, TypeError, AttributeError):  # not as this version writes it
        return False


def _unpack(tar: Path, folder: Path, suffixes: Collection[str]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name[:8]}."))
    try:
        sizes, others = extract_members(tar, partial, suffixes)
        write_json(partial / MEMBERS, {"sizes": sizes, "left_out": others})
        partial.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
