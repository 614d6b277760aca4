"""Digest, size and duration of files, remembered so that a re-run does not read terabytes again.

What is remembered holds as long as a file's absolute path, size and modification time do. The memory is one file of
JSON lines in the item store, appended to as results come, so a killed run loses nothing; a line whose checksum does
not match is dropped, and its file read again.
"""

from __future__ import annotations

import json
import os
import time
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path

from tasks.corpus.duration import duration_of
from tasks.shared.execution.code import code_of
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import canonical_json, sha256_file, sha256_json, write_text
from tasks.shared.runtime.progress import progress

MEMORY = "fingerprints.jsonl"
SETTLED = 2.0  # seconds; a younger file may change again without its time stamp moving on coarse file systems


@dataclass(frozen=True)
class Fingerprint:
    """What decides whether a file is the same, and its duration in seconds (None where the header does not say)."""

    sha256: str
    bytes: int
    duration: float | None


@dataclass(frozen=True)
class Remembered:
    """A line of the memory. `probed_by`: PyAV's version and the code that read the duration; others read it again."""

    path: str
    mtime_ns: int
    probed_by: str
    fingerprint: Fingerprint


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
    memory = _recall()
    with _memory_file().open("a", encoding="utf-8") as stream, ThreadPoolExecutor(workers) as pool:
        try:
            look = partial(_look, memory=memory, probed_by=probed_by)
            found = {}
            for path, one in zip(paths, progress(pool.map(look, paths), "hash", len(paths), "file"), strict=True):
                found[path] = one.fingerprint
                settled = time.time() - one.mtime_ns / 1e9 > SETTLED
                if settled and memory.get(one.path) != one:
                    stream.write(_line(one))
                    stream.flush()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def _look(path: Path, memory: dict[str, Remembered], probed_by: str) -> Remembered:
    before = _stat(path)
    known = memory.get(str(path.absolute()))
    same = known is not None and (known.fingerprint.bytes, known.mtime_ns) == (before.st_size, before.st_mtime_ns)
    if known is not None and same and known.probed_by == probed_by:
        return known
    try:
        digest = known.fingerprint.sha256 if known is not None and same else sha256_file(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); make it readable or take it away") from None
    duration = duration_of(path) if probed_by else None
    after = _stat(path)
    if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
        raise UserError(f"{path} changed while it was read; run again when nothing writes to it")
    return Remembered(
        str(path.absolute()), before.st_mtime_ns, probed_by, Fingerprint(digest, before.st_size, duration)
    )


def _stat(path: Path) -> os.stat_result:
    try:
        return path.stat()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); mend it or take it away") from None


def _memory_file() -> Path:
    path = store_folder() / MEMORY
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _recall() -> dict[str, Remembered]:
    path = _memory_file()
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    memory = {one.path: one for line in lines if (one := _parse(line))}
    if len(lines) > 2 * len(memory) + 1 or lines[-1]:  # mostly outdated, or cut short by a kill
        write_text(path, "".join(_line(one) for one in memory.values()))
    return memory


def _line(one: Remembered) -> str:
    text = canonical_json(asdict(one))
    return f"{zlib.crc32(text.encode()):08x} {text}\n"


def _parse(line: str) -> Remembered | None:
    checksum, _, text = line.partition(" ")
    if checksum != f"{zlib.crc32(text.encode()):08x}":
        return None
    try:
        row = json.loads(text)
        return Remembered(**{**row, "fingerprint": Fingerprint(**row["fingerprint"])})
    except (ValueError, TypeError, KeyError):
        return None  # another version's line
