"""The files below a folder, and their digests: each is read once, for sha256 and md5 together, several at a time."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tasks.shared.runtime.files import CHUNK
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Digest:
    """What a file's bytes are. A file that is missing or cannot be read has no digests, and may have a reason."""

    sha256: str | None = None
    md5: str | None = None
    bytes: int = 0
    missing: bool = False
    reason: str | None = None

    def like(self, expected: str | None) -> str | None:
        """The digest as a record has one: `md5 ...` where that has an md5, else `sha256 ...`."""
        kind = expected.split()[0] if expected else "sha256"
        return f"{kind} {getattr(self, kind)}" if self.sha256 else None


class Digests(dict[Path, Digest]):
    """Digests by path, read when they are asked for. hashlib lets go of the interpreter's lock: threads are enough."""

    def __missing__(self, path: Path) -> Digest:
        self[path] = digest(path)
        return self[path]

    def read(self, paths: Iterable[Path]) -> None:
        """Read many files at once."""
        wanted = [path for path in dict.fromkeys(paths) if path not in self]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = progress(pool.map(digest, wanted), "verify", total=len(wanted), unit="file")
            self.update(zip(wanted, found, strict=True))

    def folder_md5(self, files: Mapping[str, Path]) -> str | None:
        """DVC's md5 of a folder, from its files by their path in it; None where there is none or one is unreadable."""
        there = {name: one for name in sorted(files) if not (one := self[files[name]]).missing}
        if not there or not all(one.md5 for one in there.values()):
            return None
        entries = [{"md5": one.md5, "relpath": name} for name, one in there.items()]
        return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def digest(path: Path) -> Digest:
    """Read a file once. What is no regular file is not opened: reading a pipe would never end."""
    sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
    link = f"a link to {path.readlink()}" if path.is_symlink() else None
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return Digest(missing=True, reason=link or "it is no file")
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                sha256.update(chunk)
                md5.update(chunk)
                size += len(chunk)
    except (FileNotFoundError, NotADirectoryError):
        return Digest(missing=True, reason=link)
    except OSError as error:
        return Digest(reason=error.strerror)
    return Digest(sha256.hexdigest(), md5.hexdigest(), size)


def walk(root: Path, folder: Path, recorded: Collection[str] = ()) -> dict[str, Path]:
    """Everything below a folder that is no folder, hidden files too, by its path below `root`.

    A link to a file is that file, which is how DVC may place its objects. A link to a folder is followed where a
    recorded path leads through it.
    """
    found: dict[str, Path] = {}

    def add(path: Path) -> None:
        found[os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "backslashreplace")] = path

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            add(Path(error.filename))

    for place, folders, names in os.walk(root / folder, followlinks=True, onerror=unreadable):
        for path in [Path(place, name) for name in folders]:
            start = f"{path.relative_to(root).as_posix()}/"
            if path.is_symlink() and not any(one.startswith(start) for one in recorded):
                folders.remove(path.name)
                names.append(path.name)
        folders.sort()
        for name in sorted(names):
            add(Path(place, name))
    return found
