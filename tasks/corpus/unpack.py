"""Videos inside tar files: unpacked once into the item store, under what decides the bytes: code, tar and suffixes.

A folder there holds the wanted members side by side, without the folders they were in; it is filled under another name
and renamed when whole, so a killed run leaves nothing that looks finished.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path

from tasks.corpus.fingerprints import fingerprints
from tasks.corpus.tars import extract_members
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_json, write_json
from tasks.shared.runtime.progress import progress

MEMBERS = ".members.json"  # sizes of the files kept, and the names of those left out; written last


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
    if not (folder / MEMBERS).is_file():
        return False
    try:
        sizes = read_json(folder / MEMBERS)["sizes"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (UserError, OSError, KeyError, TypeError, AttributeError):
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
