"""Reading and writing files so that equal content gives equal bytes, and a reader never sees half a file."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError

CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces of 1 MiB."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    """Hex sha256 of a text in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_json(value: object) -> str:
    """Hex sha256 of a value's canonical JSON: the identity of params and keys."""
    return sha256_text(canonical_json(value))


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces; refuses NaN, which is no JSON."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary path beside `path`, then rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text whole."""
    atomically(path, lambda temporary: temporary.write_bytes(text.encode()))


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON with sorted keys, for people to read."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value in a JSON file; UserError where it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not JSON ({error}); restore it with `dvc checkout` or `dvc repro`") from None


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """Write one JSON object a line, in the order given."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file; UserError names the line that is not one."""
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # JSON strings may hold what splitlines() splits at
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number}: not JSON ({error.msg}); mend or remove the line") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number}: not a JSON object; write one object a line")
        yield row


def lines_starting(path: Path, first: str) -> list[str]:
    """The lines whose first field (up to a space) is `first`, of a UTF-8 file sorted by it: found by bisection.

    Raises UserError where the file is missing.
    """
    wanted = first.encode()
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            low, high = 0, len(content)
            while low < high:  # both are always at the start of a line, or at the end
                middle = content.rfind(b"\n", 0, (low + high) // 2) + 1
                if middle <= low:
                    middle = content.find(b"\n", (low + high) // 2) + 1 or high
                if middle >= high:
                    break
                if _field(content, middle) < wanted:
                    low = middle
                else:
                    high = middle
            found = []
            while low < len(content):
                end = content.find(b"\n", low)
                end = len(content) if end < 0 else end
                if (field := _field(content, low)) == wanted:
                    found.append(content[low:end].decode())
                elif field > wanted:
                    break
                low = end + 1
            return found
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except ValueError:  # an empty file cannot be mapped
        return []


def _field(content: mmap.mmap, start: int) -> bytes:
    end = content.find(b"\n", start)
    return content[start : len(content) if end < 0 else end].split(b" ", 1)[0]


def link_or_copy(source: Path, target: Path) -> None:
    """Put a finished file at `target`: a hard link where the file system allows it, else a copy.

    Finished items never change in place (they are replaced by rename), so sharing an inode is safe.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def files_under(path: Path) -> list[Path]:
    """Every file at or below a path, sorted by its path's parts."""
    return [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
