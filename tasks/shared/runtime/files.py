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

CHUNK = 1 << 20  # bytes of a file that are held at once


def sha256_file(path: Path) -> str:
    """Hex sha256 of a file's bytes, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
    return (row for _, row in numbered_jsonl(path))


def numbered_jsonl(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """The same, each with its place for messages: `path:line`."""
    try:
        with path.open(encoding="utf-8-sig", newline="\n") as stream:  # JSON strings may hold other line ends
            for number, line in enumerate(stream, start=1):
                where = f"{path}:{number}"
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(f"{where}: not JSON ({error.msg}); mend or remove the line") from None
                if not isinstance(row, dict):
                    raise UserError(f"{where}: not a JSON object; write one object a line")
                yield where, row
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason}); save it as UTF-8") from None


def lines_starting(path: Path, first: str) -> list[str]:
    """The lines whose first field (up to a space) is `first`, of a UTF-8 file in which they stand together. Only these
    are parsed. Raises UserError where the file is missing."""
    wanted = f"{first} ".encode()
    found = []
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            at = 0 if content[: len(wanted)] == wanted else content.find(b"\n" + wanted) + 1
            content.seek(at)
            while (line := content.readline()).startswith(wanted):
                found.append(line.decode().rstrip("\n"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run `dvc repro` to make it") from None
    except ValueError:  # an empty file cannot be mapped
        return []
    return found


def link_or_copy(source: Path, target: Path) -> None:
    """Put a finished file at `target`: a hard link where the file system allows it, else a copy. Finished items are
    never changed in place, so sharing an inode is safe."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def files_under(path: Path) -> list[Path]:
    """Every file at or below a path, sorted by its path's parts."""
    return [path] if path.is_file() else sorted(entry for entry in path.rglob("*") if entry.is_file())
