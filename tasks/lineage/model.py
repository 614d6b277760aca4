"""What a lineage consists of: executions of stages, the artifacts they used and generated, MLflow runs, links.

Identity is the content digest: an execution's is the sha256 of its manifest, an artifact's the sha256 of its bytes.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, TypeAdapter, ValidationError

from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

Kind = Literal["manifest", "output", "source"]
Holds = Literal["yes", "no", "unknown"]  # unknown: the maker's manifest is not to be had


@dataclass(frozen=True)
class Artifact:
    """A file as a manifest names it: its path as seen from the project's root, and what its bytes are."""

    __pydantic_config__ = ConfigDict(extra="forbid")
    path: str
    sha256: str
    bytes: int

    @property
    def maker(self) -> str | None:
        """The stage in whose folder it lies; None for what comes from outside the pipeline."""
        parts = Path(self.path).parts
        return parts[1] if len(parts) > 2 and parts[0] == RESULTS.name else None

    @property
    def kind(self) -> Kind:
        """The manifest of a stage (which stands for its whole folder), an output of one, or a file from outside."""
        if self.maker is None:
            return "source"
        return "manifest" if self.path == manifest_path(self.maker) else "output"


@dataclass(frozen=True)
class Execution:
    """What a stage did, as its manifest has it."""

    stage: str
    digest: str  # sha256 of the manifest's bytes, the identity of the result
    params: dict[str, Any]  # by section or key as dvc.yaml names them
    code: dict[str, str]  # sha256 by source file
    components: dict[str, str]  # version by package
    used: dict[str, Artifact]  # inputs by path
    generated: dict[str, Artifact]  # outputs by path, without the files of large folders
    folders: dict[str, dict[str, int]]  # large folders of outputs: `{"files": ..., "bytes": ...}` by path
    derived: list[str]  # outputs whose bytes are not reproducible
    counts: dict[str, int]

    @property
    def weights(self) -> dict[str, str]:
        """sha256 of the weights that it made, by path."""
        return {path: one.sha256 for path, one in sorted(self.generated.items()) if path.endswith(".safetensors")}

    @property
    def code_digest(self) -> str:
        """Identity of all code that the stage depends on."""
        return sha256_json(self.code)

    def param(self, key: str) -> Any:
        """A param by its dotted key. Raises KeyError where the stage has none of that name."""
        if key in self.params:
            return self.params[key]
        section, _, rest = key.partition(".")
        return value_at(self.params[section], rest)

    def digest_of(self, path: str | Path) -> str | None:
        """sha256 of an output, or of its manifest; None where it names no such file."""
        name = Path(path).as_posix()
        if name == manifest_path(self.stage):
            return self.digest
        return self.generated[name].sha256 if name in self.generated else None


@dataclass(frozen=True)
class Run:
    """An MLflow run of a stage."""

    run_id: str
    stage: str
    status: str
    manifest: str | None  # sha256 of the one it published; None where it published nothing
    started: datetime | None  # in UTC
    ended: datetime | None  # None while it runs
    commit: str | None
    dirty: bool  # tracked files differed from the commit
    artifacts: str = field(repr=False)  # address of what MLflow keeps of it
    tags: dict[str, str] = field(repr=False)

    @property
    def outs(self) -> dict[str, str]:
        """DVC's hashes of its outputs, by path."""
        try:
            return dict(json.loads(self.tags.get("dvc.outs", "{}")))
        except (ValueError, TypeError):  # edited, or cut at MLflow's limit
            return {}


@dataclass(frozen=True)
class Link:
    """An artifact that a stage read, as its manifest has it."""

    reader: str
    artifact: Artifact
    holds: Holds  # whether the maker's manifest lists it with this digest

    @property
    def maker(self) -> str | None:
        """The stage that made it; None for what comes from outside the pipeline."""
        return self.artifact.maker


def manifest_path(stage: str) -> str:
    """Where a stage's manifest lies, as seen from the project's root."""
    return (RESULTS / stage / MANIFEST).as_posix()


def short_path(path: str) -> str:
    """A path below `results/<stage>/` without that."""
    parts = Path(path).parts
    return "/".join(parts[2:]) if parts[0] == RESULTS.name and len(parts) > 2 else path


def value_at(params: Any, dotted: str) -> Any:
    """A value by its dotted key. Raises KeyError or TypeError where there is none of that name."""
    for key in dotted.split("."):
        params = params[key]
    return params


EXECUTION = TypeAdapter(Execution)


def parse_manifest(content: bytes, where: str) -> Execution:
    """An execution from the bytes of its manifest. Raises UserError where they are none; `where` names them."""
    try:
        raw = {"folders": {}} | json.loads(content)  # older manifests name every file
        for name, key in (("used", "inputs"), ("generated", "outputs")):
            raw[name] = {path: one | {"path": path} for path, one in raw[key].items()}
        raw["folders"] = {path: {key: one[key] for key in ("files", "bytes")} for path, one in raw["folders"].items()}
        raw["digest"] = hashlib.sha256(content).hexdigest()
        return EXECUTION.validate_json(json.dumps(raw), strict=True)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        reason = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise UserError(f"{where} is no manifest ({reason}); restore it: `dvc checkout`") from None


def read_manifest_file(path: Path) -> Execution:
    """The execution whose manifest lies at a path. Raises UserError where there is none."""
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except OSError:
        raise UserError(f"{path} is missing; run `dvc checkout` or `dvc repro`") from None
