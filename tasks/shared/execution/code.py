"""The identity of code: the project's own files that a module is made of.

`code_of("tasks.extract.item")` follows the imports of modules under `tasks`, also those inside functions, but not those
for type checkers only (`if TYPE_CHECKING:`), nor modules imported by a name made at run time. Files are parsed, not
imported.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tasks.shared.runtime.files import sha256_file

PACKAGE = "tasks"
ROOT = Path(__file__).parents[3]  # the folder of the code that runs
COMPILED = ("__pycache__", ".pyc", ".pyo")


def code_of(*entries: str, root: Path | None = None) -> dict[str, str]:
    """sha256 by path, sorted, of the modules named, all modules of the project that they import, directly or not, the
    `__init__.py` of their packages, and what lies beside a module and is no Python, such as templates. `root` holds
    `tasks`; None: that of the code that runs. Raises ValueError for an entry that is no module."""
    root = root or ROOT
    return {path.relative_to(root).as_posix(): _digest(path, _stamp(path)) for path in closure(*entries, root=root)}


def closure(*entries: str, root: Path) -> list[Path]:
    """The files whose digests `code_of` returns, sorted."""
    found: set[Path] = set()
    waiting = list(entries)
    if absent := [entry for entry in entries if not _files(entry, root)]:
        raise ValueError(f"no module {absent[0]} under {root}")
    while waiting:
        for path in _files(waiting.pop(), root):
            if path not in found:
                found.add(path)
                waiting += _imported(path, _stamp(path))
    folders = {path.parent for path in found}
    return sorted(found | {path for folder in folders for path in _beside(folder)})


def _files(module: str, root: Path) -> list[Path]:
    """A module's file and the `__init__.py` of each package that it is in; none where there is no such module."""
    parts = module.split(".")
    own = root.joinpath(*parts)
    packages = [root.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    there = [path for path in packages if path.is_file()]
    if own.with_suffix(".py").is_file():
        return [own.with_suffix(".py"), *there]
    return there if own.is_dir() else []


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of a file: when they differ it has changed since this process read it."""
    known = path.stat()
    return known.st_size, known.st_mtime_ns


@cache
def _digest(path: Path, _stamped: tuple[int, int]) -> str:
    return sha256_file(path)


@cache
def _imported(path: Path, _stamped: tuple[int, int]) -> frozenset[str]:
    """Names under `tasks` that a file imports: modules, and perhaps what it takes from them."""
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return frozenset(name for name in _names(tree.body) if name.split(".")[0] == PACKAGE)


def _names(statements: list[ast.stmt]) -> Iterator[str]:
    for one in statements:
        if isinstance(one, ast.Import):
            yield from (alias.name for alias in one.names)
        elif isinstance(one, ast.ImportFrom):
            if one.level:
                raise ValueError(f"line {one.lineno} imports relatively; name the module in full")
            yield str(one.module)
            yield from (f"{one.module}.{alias.name}" for alias in one.names)
        elif isinstance(one, ast.If) and ast.unparse(one.test).endswith("TYPE_CHECKING"):
            yield from _names(one.orelse)
        else:
            for field in ("body", "orelse", "finalbody", "handlers", "cases"):
                yield from _names(getattr(one, field, []))


def _beside(folder: Path) -> Iterator[Path]:
    """Files of a package that are no Python, also those in folders without any."""
    for path in folder.iterdir():
        if path.name.startswith(".") or path.name.endswith(COMPILED):
            continue
        if path.is_dir():
            if not any(path.glob("*.py")):
                yield from _beside(path)
        elif path.suffix != ".py":
            yield path
