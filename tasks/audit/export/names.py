"""Names of datasets, by which a consumer joins what one stage wrote to what another read.

OpenLineage names a local file by its absolute path in the namespace `file`. That would name the machine, and make
another dataset of the same artifact in every clone. So files of the project have their path from the project's root,
in the namespace of the project. A file outside of the project has the namespace `file` and its path from the folder
that params name on, without what lies above that folder; a model of the hub has the hub's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Any, NamedTuple

from tasks.lineage.model import Execution
from tasks.shared.runtime.models import PACKAGE

PROJECT = "reeltrace"
OUTSIDE = "file"
HUB = "https://huggingface.co"
INSTALLED = "package"
WITH_PASSWORD = re.compile(r"(?<=://)[^/@\s]*@")


class Name(NamedTuple):
    """A dataset's name in its namespace."""

    namespace: str
    name: str


@dataclass(frozen=True)
class Names:
    """How files are named.

    Attributes:
        project: namespace of the project's files.
        corpus: the dataset's path as params have it; None where there is no corpus.
    """

    project: str
    corpus: str | None = None

    def file(self, path: str) -> Name:
        """A file or folder by its path as manifests have it."""
        if not outside(path):
            return Name(self.project, path)
        place = PurePosixPath(path)
        if self.corpus is not None and outside(self.corpus) and PurePosixPath(self.corpus) in place.parents:
            place = place.relative_to(PurePosixPath(self.corpus).parent)
            return Name(OUTSIDE, place.as_posix())
        return Name(OUTSIDE, place.name)

    def model(self, model: str, revision: str | None) -> Name:
        """A model by its name in params: in an installed package, of the hub (which has a revision), or a directory."""
        if model.startswith(PACKAGE):
            return Name(INSTALLED, model.removeprefix(PACKAGE))
        return Name(HUB, model) if revision else self.file(model)


def names_of(namespace: str, corpus: Execution | None) -> Names:
    """The names of a state, of whose corpus this is the manifest."""
    path = corpus.params.get("corpus", {}).get("path") if corpus else None
    return Names(namespace, str(path) if path else None)


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
