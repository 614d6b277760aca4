"""The DAG as dvc.yaml states it, and DVC's own hashes of files and folders.

dvc.yaml is the only statement of the DAG: stages ask here what they read, and so does the audit.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import Params
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under
from tasks.shared.runtime.progress import progress

DVC_FILE = Path("dvc.yaml")


@dataclass(frozen=True)
class StageSpec:
    """A stage of dvc.yaml with its `${...}` filled in, and what it says of itself."""

    name: str
    deps: tuple[Path, ...]
    params: tuple[str, ...]
    outs: tuple[Path, ...]
    description: str = ""
    key_params: tuple[str, ...] = ()  # those that decide most, in the order to show them
    tracked: tuple[str, ...] = ()  # files and folders of it that its MLflow run keeps copies of, where they are there
    item_metrics: tuple[str, ...] = ()  # that count items made anew: no artifact states them

    @property
    def inputs(self) -> list[Path]:
        """Dependencies that are artifacts of earlier stages."""
        return [dep for dep in self.deps if RESULTS in dep.parents]

    @property
    def code(self) -> list[Path]:
        """Source files among the dependencies: programs, page templates, style sheets."""
        sources = (file for dep in self.deps if dep.parts[0] == "tasks" for file in files_under(dep))
        return [file for file in sources if "__pycache__" not in file.parts]


def read_stages(params: Params, path: Path = DVC_FILE) -> dict[str, StageSpec]:
    """Stages of dvc.yaml in the order written. Raises UserError where the file is missing."""
    try:
        return stages_of(path.read_text(encoding="utf-8"), params.section)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None


def stages_of(text: str, value: Callable[[str], Any]) -> dict[str, StageSpec]:
    """Stages of a dvc.yaml in the order written; `value` gives a param by its dotted key, for `${...}`. Raises
    UserError where it has no stages.
    """
    try:
        stages: dict[str, Any] = yaml.safe_load(text)["stages"]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise UserError(f"{DVC_FILE} states no stages ({' '.join(str(error).split())[:150]}); mend it") from None
    return {
        name: StageSpec(
            name,
            tuple(Path(_filled(dep, value)) for dep in stage.get("deps", [])),
            tuple(stage.get("params", [])),
            tuple(
                Path(next(iter(out)) if isinstance(out, dict) else out)
                for kind in ("outs", "metrics", "plots")
                for out in stage.get(kind, [])
            ),
            stage.get("desc", ""),
            *(tuple(stage.get("meta", {}).get(fact, [])) for fact in ("key_params", "tracked", "item_metrics")),
        )
        for name, stage in stages.items()
    }


def _filled(text: str, value: Callable[[str], Any]) -> str:
    return re.sub(r"\$\{([\w.]+)\}", lambda match: str(value(match[1])), text)


def parents_of(stages: Mapping[str, StageSpec]) -> dict[str, list[str]]:
    """By stage, the stages whose outputs it reads, in the order written."""
    return {
        name: [
            maker
            for maker, other in stages.items()
            if maker != name and any(_within(dep, out) or _within(out, dep) for dep in stage.deps for out in other.outs)
        ]
        for name, stage in stages.items()
    }


def _within(path: Path, folder: Path) -> bool:
    return path.parts[: len(folder.parts)] == folder.parts


def order_of(stages: Mapping[str, StageSpec]) -> list[str]:
    """All stages, makers before readers, as near to the order written as that allows."""
    parents = parents_of(stages)
    return list(dict.fromkeys(one for name in stages for one in _makers_first(parents, name)))


def _makers_first(parents: Mapping[str, list[str]], name: str) -> Iterator[str]:
    for maker in parents[name]:
        yield from _makers_first(parents, maker)
    yield name


def upstream_of(stages: Mapping[str, StageSpec], *last: str) -> list[str]:
    """Some stages and all that they follow from, in the order written."""
    return _closure(stages, parents_of(stages), last)


def downstream_of(stages: Mapping[str, StageSpec], *first: str) -> list[str]:
    """Some stages and all that follow from them, in the order written."""
    parents = parents_of(stages)
    children = {name: [child for child, above in parents.items() if name in above] for name in stages}
    return _closure(stages, children, first)


def _closure(stages: Iterable[str], edges: Mapping[str, list[str]], start: Iterable[str]) -> list[str]:
    found: set[str] = set()
    waiting = list(start)
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += edges[name]
    return [name for name in stages if name in found]


def dvc_hash(path: Path) -> str:
    """The md5 that DVC 3 records in dvc.lock for a file or (ending in `.dir`) a folder."""
    if path.is_file():
        return _md5_file(path)
    files = sorted(files_under(path), key=lambda file: file.relative_to(path).as_posix())
    entries = [
        {"md5": _md5_file(file), "relpath": file.relative_to(path).as_posix()}
        for file in progress(files, "md5", unit="file")
    ]
    return hashlib.md5(json.dumps(entries, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _md5_file(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
