"""Reading tar files of unknown origin."""

from __future__ import annotations

import shutil
import tarfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path, PurePosixPath

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import CHUNK

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")


def extract_members(tar: Path, folder: Path, suffixes: Collection[str]) -> tuple[dict[str, int], list[str]]:
    """Put the members whose names end in `suffixes` side by side into a folder: their sizes, and the other names."""
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
