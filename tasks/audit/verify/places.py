"""Where the files of a state lie: in the workspace as they are found there, of a revision in DVC's cache."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tasks.shared.artifacts.types import RESULTS


@dataclass
class Tree:
    """The files of a state.

    Attributes:
        files: where each lies, by its path as seen from the project's root.
        strange: what is neither a file nor a folder, by path, and what it is instead.
    """

    files: dict[str, Path] = field(default_factory=dict)
    strange: dict[str, str] = field(default_factory=dict)

    def below(self, folder: str) -> dict[str, Path]:
        """The files of a folder by their path in it, hidden ones too."""
        start = f"{folder}/"
        return {path.removeprefix(start): file for path, file in self.files.items() if path.startswith(start)}


def walked(root: Path, recorded: Collection[str], folder: Path = RESULTS) -> Tree:
    """Everything that lies below a folder of the workspace, hidden files too.

    A link to a file is that file, which is how DVC may place its objects. A link to a folder is followed where a
    recorded path leads through it, and is strange where none does.
    """
    tree = Tree()
    for path, entry in _entries(root / folder):
        name = _named(path.relative_to(root))
        if entry is None:
            tree.strange[name] = "a folder that cannot be read"
        elif entry.is_dir():  # a link to a folder
            if any(one.startswith(f"{name}/") for one in recorded):
                inner = walked(root, recorded, path.relative_to(root))
                tree.files |= inner.files
                tree.strange |= inner.strange
            else:
                tree.strange[name] = f"a link to the folder {path.readlink()}"
        elif entry.is_file():
            tree.files[name] = path
        else:
            tree.strange[name] = f"a link to nothing: {path.readlink()}" if entry.is_symlink() else _what(path)
    return tree


def _entries(folder: Path) -> Iterator[tuple[Path, os.DirEntry[str] | None]]:
    """Files, links and special files below a folder in order; None for a folder that cannot be listed."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError:
        yield folder, None
        return
    for entry in entries:
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(path)
        else:
            yield path, entry


def _named(path: Path) -> str:
    """A path as text that can be printed, whatever bytes its name has."""
    return os.fsencode(path.as_posix()).decode("utf-8", "backslashreplace")


def _what(path: Path) -> str:
    kinds = {stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(path.lstat().st_mode), "a device")
