"""The item store: finished work on single items, kept across runs, outside DVC and git.

An entry is a folder of files keyed by what decides them. It is written to a temporary name and renamed; `entry.json`
holds the sha256 of its files, and an entry whose files do not match is dropped and made again, never believed. Two
workspaces share a store when the environment's REELTRACE_STORE names the same folder.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.execution.code import code_of
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under, link_or_copy, read_json, sha256_file, sha256_json, write_json

ENTRY = "entry.json"
HITS = re.compile(r"(?P<stage>\w+): (?P<items>\d+) of (?P<of>\d+) (?P<unit>\w+)s reused from the store")


def store_folder() -> Path:
    """Where items are kept: $REELTRACE_STORE, else `.reeltrace` in the workspace."""
    return Path(os.environ.get("REELTRACE_STORE", ".reeltrace"))


class ItemStore:
    """Finished items of one step, a folder of the store.

    Args:
        maker: the dotted name of the module that makes an entry's bytes; it and all that it imports are in the key.
        decides: what else decides them but the item's own content: params, model digest, versions, kind of device.
    """

    def __init__(self, step: str, maker: str, decides: Mapping[str, Any], root: Path | None = None) -> None:
        self.step = step
        self.folder = (root or store_folder()) / "items" / step
        self.decides = sha256_json({"code": code_of(maker), "decides": dict(decides)})

    def key(self, *content: str) -> str:
        """The key of an item with these content digests."""
        return sha256_json([self.decides, *content])

    def has(self, key: str) -> bool:
        """Whether there is an entry under this key, whole or damaged."""
        return self._entry(key).exists()

    def get(self, key: str) -> Path | None:
        """The folder of a finished item, or None; a damaged entry is removed and counts as absent."""
        entry = self._entry(key)
        if not entry.exists():
            return None
        try:
            files = read_json(entry / ENTRY)["files"]
            whole = bool(files) and all(sha256_file(entry / name) == one["sha256"] for name, one in files.items())
        except (UserError, OSError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            shutil.rmtree(entry, ignore_errors=True)
            return None
        return entry

    def put(self, key: str, write: Callable[[Path], None]) -> Path:
        """Have `write` fill a folder with at least one file, and keep it under the key."""
        entry = self._entry(key)
        entry.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=entry.parent, prefix=f".{key[:8]}."))
        try:
            write(temporary)
            files = {
                path.relative_to(temporary).as_posix(): {"sha256": sha256_file(path), "bytes": path.stat().st_size}
                for path in files_under(temporary)
            }
            write_json(temporary / ENTRY, {"files": files})
            temporary.chmod(0o755)
            try:
                temporary.rename(entry)
            except OSError:  # another process finished the same item first: its bytes are the same
                if self.get(key) is None:  # no, what was there is damaged, and removed by now
                    temporary.rename(entry)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return entry

    def _entry(self, key: str) -> Path:
        return self.folder / key[:2] / key


def link_entry(entry: Path, out: Path) -> None:
    """Put the files of a finished item into a folder."""
    for file in files_under(entry):
        if file.name != ENTRY:
            link_or_copy(file, out / file.relative_to(entry))


@dataclass(frozen=True)
class CacheHits:
    """How many items of a stage, in units such as a video, came from the store: for MLflow, never for a manifest."""

    items: int
    of: int
    unit: str

    def line(self, stage: str) -> str:
        """`extract: 101 of 104 videos reused from the store`."""
        return f"{stage}: {self.items} of {self.of} {self.unit}s reused from the store"


def read_cache_hits(line: str) -> tuple[str, CacheHits] | None:
    """The stage and the numbers of such a line; None of any other."""
    found = HITS.fullmatch(line.strip())
    return (found["stage"], CacheHits(int(found["items"]), int(found["of"]), found["unit"])) if found else None
