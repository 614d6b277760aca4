"""Digest, size and duration of files, remembered so that a re-run does not read terabytes again.

What is remembered holds as long as a file's absolute path, size and modification time do. The memory is one file in the
item store, a JSON array a line, appended to as results come, so a killed run loses nothing; a line whose checksum does
not match is dropped, and its file read again.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from tasks.corpus.duration import duration_of
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file, sha256_json, write_text
from tasks.shared.runtime.progress import progress

MEMORY = "files.jsonl"
SETTLED = 2.0  # seconds; a younger file may change again without its time stamp moving on coarse file systems


class Fingerprint(NamedTuple):
    """What decides whether a file is the same, and its duration in seconds (None where the header does not say)."""

    sha256: str
    bytes: int
    duration: float | None


class Remembered(NamedTuple):
    """A line of the memory. `probed_by`: PyAV's version and the code that read the duration; others read it again."""

    path: str
    mtime_ns: int
    probed_by: str
    sha256: str
    bytes: int
    duration: float | None

    def line(self) -> str:
        text = json.dumps(self)
        return f"{zlib.crc32(text.encode()):08x} {text}\n"


def fingerprints(paths: Sequence[Path], workers: int, probe: bool = True) -> dict[Path, Fingerprint]:
    """Fingerprints of files, by path; with `probe` off the duration is not looked for.

    Raises UserError for a file that cannot be read, that changes while it is read, or whose name is no text.
    """
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError:
            raise UserError(f"the name {str(path)!a} is not UTF-8; rename the file") from None
    probed_by = f"{version('av')} {sha256_json(code_of('tasks.corpus.duration'))[:12]}" if probe else ""
    file = store_folder() / MEMORY
    file.parent.mkdir(parents=True, exist_ok=True)
    memory = _recall(file) if file.exists() else {}
    with file.open("a", encoding="utf-8") as stream, ThreadPoolExecutor(workers) as pool:
        try:
            look = partial(_look, memory=memory, probed_by=probed_by)
            found = {}
            for path, one in zip(paths, progress(pool.map(look, paths), "hash", len(paths), "file"), strict=True):
                found[path] = Fingerprint(one.sha256, one.bytes, one.duration)
                if time.time() - one.mtime_ns / 1e9 > SETTLED and memory.get(one.path) != one:
                    stream.write(one.line())
                    stream.flush()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _look(path: Path, memory: dict[str, Remembered], probed_by: str) -> Remembered:
    try:
        before = path.stat()
        known = memory.get(str(path.absolute()))
        if known and (known.bytes, known.mtime_ns) != (before.st_size, before.st_mtime_ns):
            known = None
        if known and known.probed_by == probed_by:
            return known
        digest = known.sha256 if known else sha256_file(path)
        duration = duration_of(path) if probed_by else None
        after = path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); mend it or take it away") from None
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise UserError(f"{path} changed while it was read; run again when nothing writes to it")
    return Remembered(str(path.absolute()), before.st_mtime_ns, probed_by, digest, before.st_size, duration)


def _recall(file: Path) -> dict[str, Remembered]:
    """What is remembered by path; the file is written anew where most of it is outdated, or a kill cut it short."""
    lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
    memory = {}
    for checksum, _, text in (line.partition(" ") for line in lines):
        if checksum == f"{zlib.crc32(text.encode()):08x}" and len(row := json.loads(text)) == len(Remembered._fields):
            memory[row[0]] = Remembered(*row)
    if len(lines) > 2 * len(memory) + 1 or lines[-1]:
        write_text(file, "".join(one.line() for one in memory.values()))
    return memory
