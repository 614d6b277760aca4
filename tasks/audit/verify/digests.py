"""The files below a folder, and their digests: each is read once, for sha256 and md5 together, several at a time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tasks.audit.verify.answer import Answer
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
    """Why a file has no digest: it is missing, or it cannot be read."""

    missing: bool
    reason: str | None


class Digests:
    """Digests of files by their path. hashlib lets go of the interpreter's lock, so threads are enough."""

    def __init__(self) -> None:
        self._known: dict[Path, Digest | Unread] = {}

    def read(self, paths: Iterable[Path]) -> None:
        """Read many files at once."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self._known]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = progress(pool.map(digest, wanted), "verify", total=len(wanted), unit="file")
            self._known |= dict(zip(wanted, found, strict=True))

    def of(self, path: Path) -> Digest | Unread:
        """The digest of a file, which is read now if it was not before."""
        if path not in self._known:
            self._known[path] = digest(path)
        return self._known[path]

    def size(self, paths: Iterable[Path]) -> int:
        """Bytes of those that could be read."""
        return sum(one.bytes for path in paths if isinstance(one := self.of(path), Digest))


def digest(path: Path) -> Digest | Unread:
    """Read a file once. What is no regular file is not opened: reading a pipe would never end."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Unread(True, "it is no file")
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        return Unread(missing, "a link to nothing" if missing and path.is_symlink() else error.strerror)
    return Digest(sha256.hexdigest(), md5.hexdigest(), size)


def compare(answer: Answer, where: str, found: Digest | Unread, expected: str | None, record: str) -> None:
    """Compare a file with what a record says of it: `sha256 ...`, `md5 ...`, or None where it knows of no such file."""
    if isinstance(found, Digest):
        kind = expected.split()[0] if expected else "sha256"
        answer.compare(where, record, expected, f"{kind} {getattr(found, kind)}")
    elif not found.missing:
        answer.find("unreadable", where, record, expected, None, found.reason)
    else:
        answer.compare(where, record, expected, None, found.reason)


def dir_hash(md5s: Mapping[str, str]) -> str:
    """DVC's md5 of a folder, from the md5 of its files by their path in it (`pipeline.dvc_hash`)."""
    entries = [{"md5": md5s[name], "relpath": name} for name in sorted(md5s)]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def walk(root: Path, folder: Path, recorded: Iterable[str] = ()) -> tuple[dict[str, Path], dict[str, str]]:
    """Everything below a folder, hidden files too: files, and what is neither file nor folder with what it is instead.

    Both are by their path below `root`. A link to a file is that file, which is how DVC may place its objects. A link
    to a folder is followed where a recorded path leads through it.
    """
    files: dict[str, Path] = {}
    irregular: dict[str, str] = {}

    def name_of(path: Path) -> str:
        return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            irregular[name_of(Path(error.filename))] = "a folder that cannot be read"

    for place, folders, names in os.walk(root / folder, onerror=unreadable):
        folders.sort()
        links = [name for name in folders if Path(place, name).is_symlink()]
        for path in (Path(place, name) for name in sorted([*names, *links])):
            name = name_of(path)
            if path.is_file():
                files[name] = path
            elif path.is_dir() and any(one.startswith(f"{name}/") for one in recorded):
                inner = walk(root, path.relative_to(root), recorded)
                files |= inner[0]
                irregular |= inner[1]
            else:
                irregular[name] = f"a link to {path.readlink()}" if path.is_symlink() else "a pipe or device"
    return files, irregular
