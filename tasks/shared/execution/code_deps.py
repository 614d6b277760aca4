"""The code dependencies of every stage in dvc.yaml, as the imports of its modules say.

    python -m tasks.shared.execution.code_deps            which stages name other code than they import; exit 1 then
    python -m tasks.shared.execution.code_deps --write    write what they import into dvc.yaml

A stage's code is `code_of("tasks.<stage>.__main__")`. A folder is named where all that is in it belongs to the stage.
Everything else in dvc.yaml stays as it is, comments too.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

from tasks.shared.execution.code import COMPILED, PACKAGE, ROOT, closure
from tasks.shared.execution.pipeline import DVC_FILE
from tasks.shared.runtime.files import write_text


def code_deps(stage: str, root: Path = ROOT) -> list[str]:
    """The files and folders that hold a stage's code, and nothing else, sorted: paths from the root. Empty files are
    named only with their folder: DVC warns of each, whenever it runs the stage."""
    files = set(closure(f"{PACKAGE}.{stage}.__main__", root=root))
    found = [path for path in _folded(root / PACKAGE, files) if path.is_dir() or path.stat().st_size]
    return sorted(path.relative_to(root).as_posix() for path in found)


def _folded(folder: Path, files: set[Path]) -> list[Path]:
    """The folder where all its files are among these, else what of it is."""
    inside = [path for path in sorted(folder.iterdir()) if not path.name.endswith(COMPILED)]
    parts = {path: _folded(path, files) if path.is_dir() else [path] * (path in files) for path in inside}
    whole = all(found == [path] for path, found in parts.items())
    return [folder] if parts and whole else [one for found in parts.values() for one in found]


def outdated(root: Path = ROOT) -> dict[str, tuple[list[str], list[str]]]:
    """By stage whose code dependencies are not current: what dvc.yaml lacks, and what it names in vain."""
    found = {}
    for name, stage in _parser().load(root / DVC_FILE)["stages"].items():
        wanted, named = code_deps(name, root), [str(dep) for dep in stage["deps"] if _is_code(dep)]
        if wanted != named:
            found[name] = (sorted({*wanted} - {*named}), sorted({*named} - {*wanted}))
    return found


def write_code_deps(root: Path = ROOT) -> None:
    """Bring the code dependencies of all stages in dvc.yaml up to date."""
    parser = _parser()
    file = parser.load(root / DVC_FILE)
    for name, stage in file["stages"].items():
        deps = stage["deps"]  # changed in place, so that comments between them stay
        for place in reversed([place for place, dep in enumerate(deps) if _is_code(dep)]):
            del deps[place]
        for place, dep in enumerate(code_deps(name, root)):
            deps.insert(place, dep)
    text = io.StringIO()
    parser.dump(file, text)
    write_text(root / DVC_FILE, text.getvalue())


def _is_code(dep: str) -> bool:
    return dep.split("/", maxsplit=1)[0] == PACKAGE


def _parser() -> Any:
    from ruamel.yaml import YAML

    parser = YAML()
    parser.preserve_quotes = True
    parser.width = 1 << 12
    parser.indent(mapping=2, sequence=4, offset=2)
    return parser


def main() -> int:
    """Check or write; the exit code."""
    parser = argparse.ArgumentParser(prog="code_deps", description="the code that stages depend on in dvc.yaml")
    parser.add_argument("--write", action="store_true", help="write it into dvc.yaml")
    if parser.parse_args().write:
        write_code_deps()
        return 0
    for stage, (lacking, vain) in (found := outdated()).items():
        changes = " ".join([*(f"+{path}" for path in lacking), *(f"-{path}" for path in vain)])
        print(f"{DVC_FILE}: code of {stage} is not current: {changes or 'order'}; run make deps", file=sys.stderr)
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
