"""Commits of a workspace, and the files in them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tasks.shared.runtime.errors import UserError


def commit_of(rev: str, root: Path = Path()) -> str:
    """The full commit that a name stands for. Raises UserError outside git and for an unknown name."""
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
    if done.returncode == 0:
        return done.stdout.strip()
    if _git(root, "rev-parse", "--git-dir").returncode:
        raise UserError("this is no git repository; revisions are commits of one")
    raise UserError(f"git knows no revision {rev}; name a commit, branch or tag")


def head(root: Path = Path()) -> str | None:
    """The commit the workspace is at; None outside git and before the first commit."""
    done = _git(root, "rev-parse", "--verify", "--quiet", "HEAD")
    return done.stdout.strip() or None


def changed_files(root: Path = Path()) -> list[str]:
    """Tracked files that differ from HEAD."""
    done = _git(root, "status", "--porcelain", "-z", "--untracked-files=no", "--no-renames")
    return sorted(entry[3:] for entry in done.stdout.split("\0") if entry)


def file_at(commit: str, path: str, root: Path = Path()) -> str | None:
    """A text file as a commit has it; None where it has none."""
    done = _git(root, "show", f"{commit}:./{path}")
    return done.stdout if done.returncode == 0 else None


def differ(commit: str, other: str, *paths: str, root: Path = Path()) -> bool:
    """Whether two commits have other content at any of some paths of the project."""
    return _git(root, "diff", "--quiet", commit, other, "--", *paths).returncode != 0


def refs_below(prefix: str, root: Path = Path()) -> dict[str, str]:
    """Commits by the name of their reference, without the prefix, in the order of the names."""
    listing = _git(root, "for-each-ref", "--format=%(objectname) %(refname)", prefix).stdout.splitlines()
    return {name.removeprefix(prefix): commit for commit, _, name in (line.partition(" ") for line in listing)}


def commit_time(commit: str) -> str:
    """When a commit was made, ISO 8601."""
    return _git(Path(), "show", "--no-patch", "--format=%cI", commit).stdout.strip()


def commits_of(*paths: str) -> list[str]:
    """Commits that changed any of some files or folders, on any branch or tag, the newest first."""
    return _git(Path(), "log", "--all", "--format=%H", "--", *paths).stdout.split()


def origin() -> str | None:
    """The address of the remote `origin` as git has it, which may hold a password; None where there is none."""
    return _git(Path(), "config", "--get", "remote.origin.url").stdout.strip() or None


def author(root: Path = Path()) -> dict[str, str]:
    """Variables that name an author of commits as far as git is told of none: DVC keeps no experiment without one."""
    usual = {"name": "reeltrace", "email": "reeltrace@localhost"}
    missing = [key for key in usual if not _git(root, "config", "--get", f"user.{key}").stdout.strip()]
    return {f"GIT_{who}_{key.upper()}": usual[key] for who in ("AUTHOR", "COMMITTER") for key in missing}


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except OSError:
        raise UserError("git is not installed; revisions are read with it") from None
