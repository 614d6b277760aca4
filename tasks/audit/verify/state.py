"""The state to verify and the bytes of its files, each read once, for sha256 and md5 together.

What is damaged in it is a finding, so it is read where other commands would refuse.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tasks.audit.recorded import listing_of, recorded_outputs
from tasks.audit.verify.answer import Answer
from tasks.lineage.dvc import FOLDER, LockedStage, Objects
from tasks.lineage.lineage import Lineage
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import CHUNK, files_under
from tasks.shared.runtime.progress import progress


@dataclass(frozen=True)
class Digest:
    """What a file's bytes are. A file that is missing or cannot be read has no digests, and may have a reason."""

    sha256: str | None = None
    md5: str | None = None
    bytes: int = 0
    missing: bool = False
    reason: str | None = None


class Digests(dict[Path, Digest]):
    """Digests by path, read when they are asked for."""

    def __missing__(self, path: Path) -> Digest:
        return self.setdefault(path, digest(path))

    def read(self, paths: Iterable[Path]) -> None:
        """Read many files at once. hashlib lets go of the interpreter's lock: threads are enough."""
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
        return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + FOLDER


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
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            found.append(Path(error.filename))

    for place, folders, names in os.walk(root / folder, followlinks=True, onerror=unreadable):
        for path in [Path(place, name) for name in folders]:
            start = f"{path.relative_to(root).as_posix()}/"
            if path.is_symlink() and not any(f"{one}/".startswith(start) for one in recorded):
                folders.remove(path.name)
                names.append(path.name)
        folders.sort()
        found += [Path(place, name) for name in sorted(names)]
    return {os.fsencode(one.relative_to(root)).decode("utf-8", "backslashreplace"): one for one in found}


@dataclass
class State:
    """A state with its files, and what is found of it. Manifests that cannot be read are not in its lineage.

    Attributes:
        revision: it is not the workspace; its files are DVC's objects, laid out below its root.
        files: where all lies that is in the results, by its path as seen from the project's root.
        committed: dvc.lock of HEAD, by stage; empty for a revision.
    """

    lineage: Lineage
    answer: Answer
    objects: Objects
    revision: bool
    files: dict[str, Path] = field(default_factory=dict)
    digests: Digests = field(default_factory=Digests)
    committed: dict[str, LockedStage] = field(default_factory=dict)

    def place(self, path: str) -> Path:
        """Where a file lies, of the results or outside."""
        root = self.lineage.root if path.startswith(f"{RESULTS}/") else Path()
        return self.files.get(path, root / path)

    def digest(self, path: str) -> Digest:
        """What is at a path."""
        return self.digests[self.place(path)]

    def compare(self, where: str, record: str, expected: str | None, found: Digest | None = None) -> None:
        """Compare a file (by default the one at `where`) with what a record says of it: `sha256 ...`, `md5 ...`, or
        None where it knows of none."""
        found = found or self.digest(where)
        kind = expected.split()[0] if expected else "sha256"
        if found.sha256 is None and not found.missing:
            self.answer.find("unreadable", where, record, expected, None, found.reason)
        else:
            there = f"{kind} {getattr(found, kind)}" if found.sha256 else None
            self.answer.compare(where, record, expected, there, found.reason)

    def count(self, what: str, files: Iterable[Digest]) -> None:
        """Count files that were checked, and their bytes."""
        for one in files:
            self.answer.checked[what] += 1
            self.answer.sizes[what] += one.bytes

    def below(self, folder: str) -> dict[str, Path]:
        """The files of a folder by their path in it; outside of the results without those that .dvcignore names."""
        if folder.startswith(f"{RESULTS}/"):
            start = f"{folder}/"
            return {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}
        found = files_under(Path(folder)) if Path(folder).is_dir() else []
        kept = [one for one in found if "__pycache__" not in one.parts and one.suffix not in (".pyc", ".pyo", ".pyd")]
        return {file.relative_to(folder).as_posix(): file for file in kept}

    def md5(self, path: str) -> str | None:
        """DVC's md5 of a file or folder; None where it cannot be had."""
        return self.digest(path).md5 or self.digests.folder_md5(self.below(path))

    def intact(self, path: str) -> bool:
        """Whether a file of the results is what its stage's manifest says."""
        execution = self.lineage.executions.get(path.split("/")[1])
        recorded = execution.digest_of(path) if execution else None
        return recorded is not None and self.digest(path).sha256 == recorded

    def outputs(self, stage: str) -> tuple[dict[str, str], list[str]]:
        """sha256 of all outputs that a stage's manifest names, itself or in its `files.parquet`; and the folders whose
        files are not known, because that table is not as recorded."""
        execution = self.lineage.executions[stage]
        with suppress(UserError):
            if not execution.folders or self.intact(listing_of(stage)):
                return recorded_outputs(self.lineage, stage), []
        return {path: one.sha256 for path, one in execution.generated.items()}, sorted(execution.folders)

    def listing(self, md5: str) -> dict[str, str] | None:
        """The md5 of a folder's files as DVC's cache has it; None where it lacks that, or has it damaged."""
        with suppress(UserError, ValueError, KeyError, TypeError):
            there = md5.endswith(FOLDER) and self.objects.has(md5)
            if there and self.digests[self.objects.path(md5)].md5 == md5.removesuffix(FOLDER):
                return self.objects.files(md5)
        return None
