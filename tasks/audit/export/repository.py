"""Where a project's code is to be found: the address of its git remote, without user and password."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

SSH_SHORT = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[^/:\s]{2,}):(?P<path>[^/\\].*)")  # one letter is a Windows drive
WEB = ("http", "https")


def web_address(remote: str) -> str | None:
    """The address of a repository for a browser: no user, no password, no `.git`. None for a path of this machine."""
    if "://" not in remote:
        short = SSH_SHORT.fullmatch(remote)
        return _address("https", short["host"], short["path"]) if short else None
    try:
        parts = urlsplit(remote)
        host = parts.hostname
    except ValueError:
        return None
    if not host or parts.scheme == "file":
        return None
    host = f"[{host}]" if ":" in host else host
    if parts.scheme in WEB and parts.port:
        host = f"{host}:{parts.port}"
    return _address(parts.scheme if parts.scheme in WEB else "https", host, parts.path)


def _address(scheme: str, host: str, path: str) -> str | None:
    path = path.strip("/").removesuffix(".git")
    return f"{scheme}://{host}/{path}" if path else None


def folder_at(repository: str, commit: str, folder: str) -> str:
    """The address of a folder as a commit has it; of the repository where its host's addresses are not known."""
    host = urlsplit(repository).hostname or ""
    return f"{repository}/tree/{commit}/{folder}" if "github" in host or "gitlab" in host else repository


def namespace(repository: str | None, default: str) -> str:
    """The project's namespace: by its repository, which is the same in every clone."""
    return f"{default}://{repository.partition('://')[2]}" if repository else default
