"""Source files as commits have them, by sha256: what a manifest's code is compared with."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tasks.shared.runtime.errors import UserError

CODE = "tasks"
OF_FILES = ("100644", "100755")  # modes of git; links and submodules are no source files


class Sources:
    """The source files of a project's commits; a file that many commits share is read once.

    Args:
        root: of the project, which may be a folder of the repository.
    """

    def __init__(self, root: Path = Path()) -> None:
        self.root = root
        self._digests: dict[str, str] = {}  # sha256 by git's object

    def has(self, commit: str) -> bool:
        """Whether the commit is in this clone."""
        return self._git("cat-file", "-e", f"{commit}^{{commit}}").returncode == 0

    def at(self, commit: str) -> dict[str, str]:
        """sha256 of every source file of a commit, by its path from the project's root.

        Raises UserError where this clone lacks an object of the commit.
        """
        listing = self._git("ls-tree", "-r", "-z", commit, "--", f"{CODE}/")
        if listing.returncode:
            raise _broken(commit, listing.stderr)
        objects = {}
        for entry in filter(None, listing.stdout.decode(errors="surrogateescape").split("\0")):
            about, _, path = entry.partition("\t")
            mode, _, name = about.split(" ")
            if mode in OF_FILES:
                objects[path] = name
        self._read(commit, sorted({*objects.values()} - self._digests.keys()))
        return {path: self._digests[name] for path, name in objects.items()}

    def _read(self, commit: str, wanted: Iterable[str]) -> None:
        done = self._git("cat-file", "--batch", given="".join(f"{name}\n" for name in wanted).encode())
        place = 0
        for name in wanted:
            end = done.stdout.find(b"\n", place)
            head = done.stdout[place:end].split(b" ")
            if end < 0 or len(head) != 3:
                raise _broken(commit, done.stderr or f"object {name} is missing".encode())
            place = end + 1 + int(head[2])
            self._digests[name] = hashlib.sha256(done.stdout[end + 1 : place]).hexdigest()
            place += 1  # git ends an object with a line feed of its own

    def _git(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["git", *arguments], cwd=self.root, input=given, capture_output=True, check=False)


def _broken(commit: str, message: bytes) -> UserError:
    reason = " ".join(message.decode(errors="replace").split())[:200]
    return UserError(f"commit {commit[:10]} cannot be read from git ({reason}); mend it with `git fetch` or `git fsck`")
