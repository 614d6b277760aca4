"""Executions from `manifest.json`, which `tasks.shared.artifacts.publish` writes."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from tasks.lineage.model import Artifact, Execution
from tasks.shared.runtime.errors import UserError


class _File(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    sha256: str
    bytes: int


class _Folder(BaseModel):
    files: int
    bytes: int


class _Manifest(BaseModel):
    model_config = ConfigDict(strict=True)
    stage: str
    params: dict[str, Any]
    code: dict[str, str]
    components: dict[str, str]
    inputs: dict[str, _File]
    outputs: dict[str, _File]
    folders: dict[str, _Folder] = {}  # older manifests name every file
    derived: list[str]
    counts: dict[str, int]


def parse_manifest(content: bytes, where: str) -> Execution:
    """An execution from the bytes of its manifest. Raises UserError where they are none; `where` names them."""
    try:
        raw = _Manifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{where} is no manifest ({place}: {first['msg']}); restore it: `dvc checkout`") from None
    used, generated = (
        {path: Artifact(path, one.sha256, one.bytes) for path, one in files.items()}
        for files in (raw.inputs, raw.outputs)
    )
    return Execution(
        stage=raw.stage,
        digest=hashlib.sha256(content).hexdigest(),
        params=raw.params,
        code=raw.code,
        components=raw.components,
        used=used,
        generated=generated,
        folders={path: one.model_dump() for path, one in raw.folders.items()},
        derived=raw.derived,
        counts=raw.counts,
    )


def read_manifest_file(path: Path) -> Execution:
    """The execution whose manifest lies at a path. Raises UserError where there is none."""
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except OSError:
        raise UserError(f"{path} is missing; run `dvc checkout` or `dvc repro`") from None
