"""Names of datasets, by which a consumer joins what one stage wrote to what another read; nothing of this machine.

OpenLineage names a local file by its absolute path, which would be another in every clone. So files of the project have
their path from its root and the project's namespace, others `file` and their path from the corpus folder on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from tasks.shared.runtime.models import PACKAGE

PROJECT, OUTSIDE, INSTALLED, HUB = "reeltrace", "file", "package", "https://huggingface.co"  # namespaces
WITH_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")
SSH_SHORT = re.compile(r"(?:[^@/:\s]+@)?(?P<host>[^/:\s]{2,}):(?P<path>[^/\\].*)")  # one letter is a Windows drive


@dataclass(frozen=True)
class Names:
    """How datasets are named: the project's namespace, and the corpus's path as params have it."""

    project: str
    corpus: str | None = None

    def file(self, path: str) -> tuple[str, str]:
        """Namespace and name of a file or folder by its path as manifests have it."""
        if not outside(path):
            return self.project, path
        place = PurePosixPath(path)
        if self.corpus is not None and outside(self.corpus) and PurePosixPath(self.corpus) in place.parents:
            return OUTSIDE, place.relative_to(PurePosixPath(self.corpus).parent).as_posix()
        return OUTSIDE, place.name

    def model(self, model: str, revision: str | None) -> tuple[str, str]:
        """A model by its name in params: in an installed package, of the hub (which has a revision), or a directory."""
        if model.startswith(PACKAGE):
            return INSTALLED, model.removeprefix(PACKAGE)
        return (HUB, model) if revision else self.file(model)


def outside(path: str) -> bool:
    """Whether a path is one of the machine, not of the project."""
    return PurePath(path).is_absolute() or path.startswith("~")


def shareable(value: Any) -> Any:
    """A value of params without what is of this machine: absolute paths keep their last part, addresses lose users."""
    if isinstance(value, dict):
        return {str(shareable(key)): shareable(one) for key, one in value.items()}
    if isinstance(value, list):
        return [shareable(one) for one in value]
    if not isinstance(value, str):
        return value
    return f"…/{PurePosixPath(value).name}" if outside(value) else WITH_PASSWORD.sub("", value)


def web_address(remote: str) -> str | None:
    """The address of a repository for a browser: no user, no password, no `.git`. None for a path of this machine."""
    if "://" not in remote and (short := SSH_SHORT.fullmatch(remote)):
        remote = f"ssh://{short['host']}/{short['path']}"
    try:
        parts = urlsplit(remote)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    path = parts.path.strip("/").removesuffix(".git")
    if not host or not path or parts.scheme == "file":
        return None
    web = parts.scheme in ("http", "https")
    at = f"[{host}]" if ":" in host else host
    return f"{parts.scheme if web else 'https'}://{at}{f':{port}' if web and port else ''}/{path}"


def namespace(repository: str | None) -> str:
    """The project's namespace: by its repository, which is the same in every clone."""
    return f"{PROJECT}://{repository.partition('://')[2]}" if repository else PROJECT
