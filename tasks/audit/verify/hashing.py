"""Digests of files: every file is read once, for sha256 and md5 together, several at a time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.runtime.files import CHUNK
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Digest:
    """What a file's bytes are."""

    sha256: str
    md5: str
    bytes: int


@dataclass(frozen=True)
class Unread:
    """Why a file has no digest: it is not there, or it cannot be read."""

    missing: bool
    reason: str


class Digests:
    """Digests of files by where they lie. hashlib lets go of the interpreter's lock, so threads are enough."""

    def __init__(self) -> None:
        self._known: dict[Path, Digest | Unread] = {}

    def read(self, paths: Iterable[Path]) -> None:
        """Read those that were not read yet."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._known]
        if not wanted:
            return
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = progress(pool.map(digest, wanted), "verify", total=len(wanted), unit="file")
            self._known |= dict(zip(wanted, found, strict=True))

    def of(self, path: Path) -> Digest | Unread:
        """The digest of a file."""
        self.read([path])
        return self._known[path]

    def size(self, paths: Iterable[Path]) -> int:
        """Bytes of those that could be read."""
        return sum(one.bytes for path in paths if isinstance(one := self.of(path), Digest))


def digest(path: Path) -> Digest | Unread:
    """Read a file once. What is no file (a pipe would never end) is not opened."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Unread(True, "it is no file")
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
    except FileNotFoundError:
        return Unread(True, "a link to nothing" if path.is_symlink() else "it is not there")
    except OSError as error:
        missing = isinstance(error, NotADirectoryError)
        return Unread(missing, error.strerror or str(error))
    return Digest(sha256.hexdigest(), md5.hexdigest(), size)


def dir_hash(md5s: Mapping[str, str]) -> str:
    """DVC's md5 of a folder, from the md5 of its files by their path in it (`pipeline.dvc_hash`)."""
    entries = [{"md5": md5s[name], "relpath": name} for name in sorted(md5s)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"
