"""Videos inside tar files: unpacked once into the item store, under the digest of the tar's bytes.

A folder there holds the wanted members side by side, without the folders they were in; it is filled under another name
and renamed when whole, so a killed run leaves nothing that looks finished.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from tasks.corpus.fingerprints import fingerprints
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import CHUNK, read_json, write_json
from tasks.shared.runtime.progress import progress

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
MEMBERS = ".members.json"  # sizes of the files kept, and the names of those left out; written last


def unpacked(tars: Sequence[Path], suffixes: Collection[str], workers: int) -> dict[Path, Path]:
    """The folders with the members of each tar whose names end in `suffixes`.

    Raises UserError for a tar that is damaged, holds a member that would land outside, or two of one name.
    """
    marks = fingerprints(tars, workers, probe=False)
    folders = {tar: store_folder() / "unpacked" / marks[tar].sha256 for tar in tars}
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
        sizes, others = _extract(tar, partial, suffixes)
        write_json(partial / MEMBERS, {"sizes": sizes, "left_out": others})
        partial.chmod(0o755)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _extract(tar: Path, folder: Path, suffixes: Collection[str]) -> tuple[dict[str, int], list[str]]:
    sizes: dict[str, int] = {}
    others: list[str] = []
    with opened(tar) as archive:
        for member in archive:
            tarfile.data_filter(member, str(folder))  # raises for absolute paths, ways out, and devices
            name = PurePosixPath(member.name).name
            content = archive.extractfile(member) if member.isreg() else None
            if content is None or name.startswith(".") or PurePosixPath(name).suffix.lower() not in suffixes:
                others += [] if member.isdir() else [member.name]
                continue
            if name in sizes:
                raise UserError(f"{tar}: two members are named {name}; pack every file once")
            with (folder / name).open("xb") as target:
                shutil.copyfileobj(content, target, CHUNK)
                sizes[name] = target.tell()
            if sizes[name] != member.size:
                raise tarfile.ReadError(f"{name} is cut short")
    return sizes, others


@contextmanager
def opened(tar: Path) -> Iterator[tarfile.TarFile]:
    """A tar, compressed or not, to be read to its last member.

    Raises UserError for one that is damaged or cut, and where a member is refused by tarfile's filter.
    """
    try:
        with tarfile.open(tar, "r:*") as archive:
            yield archive
            _ends(archive)
    except tarfile.FilterError as error:
        raise UserError(f"{tar}: unsafe member ({error}); do not trust this file") from None
    except (tarfile.TarError, EOFError, zlib.error, LZMAError) as error:
        raise UserError(f"{tar} is damaged ({' '.join(str(error).split())}); download it again") from None


def _ends(archive: tarfile.TarFile) -> None:
    """Raise ReadError unless zeros follow the last member: tarfile takes a cut or garbled tar as a short one."""
    archive.fileobj.seek(archive.offset)
    if archive.fileobj.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"no member and no end at byte {archive.offset}")
