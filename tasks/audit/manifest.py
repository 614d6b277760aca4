"""A stage's manifest as the audit reads it: what it says, and the digest that identifies it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json


@dataclass(frozen=True)
class Manifest:
    """What a stage published.

    Attributes:
        digest: sha256 of the manifest's bytes, the identity of the result.
        params: by section or key as dvc.yaml names them.
        code, components: sha256 by source file, version by package.
        inputs, outputs: `{"sha256": ..., "bytes": ...}` by path; files of large folders are not among them.
        folders: large folders of outputs: `{"files": ..., "bytes": ...}` by path.
        derived: outputs whose bytes are not reproducible.
    """

    stage: str
    digest: str
    params: dict[str, Any]
    code: dict[str, str]
    components: dict[str, str]
    inputs: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]]
    folders: dict[str, dict[str, int]]
    derived: list[str]
    counts: dict[str, int]

    @property
    def code_digest(self) -> str:
        """Identity of all code that the stage depends on."""
        return sha256_json(self.code)

    def param(self, key: str) -> Any:
        """A param by its dotted key. Raises KeyError where the stage has none of that name."""
        if key in self.params:
            return self.params[key]
        section, _, rest = key.partition(".")
        found = self.params[section]
        for part in rest.split("."):
            found = found[part]
        return found


def parse_manifest(content: bytes, where: str) -> Manifest:
    """A manifest from its bytes. Raises UserError where they are none; `where` names them."""
    try:
        raw: dict[str, Any] = json.loads(content)
        return Manifest(
            stage=raw["stage"],
            digest=hashlib.sha256(content).hexdigest(),
            params=raw["params"],
            code=raw["code"],
            components=raw["components"],
            inputs=raw["inputs"],
            outputs=raw["outputs"],
            folders=raw.get("folders", {}),  # older ones name every file
            derived=raw["derived"],
            counts=raw["counts"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{where} is no manifest ({type(error).__name__}: {error}); restore it: `dvc checkout`"
        ) from None


def read_manifest_file(path: Path) -> Manifest:
    """The manifest at a path. Raises UserError where there is none."""
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except OSError:
        raise UserError(f"{path} is missing; run `dvc checkout` or `dvc repro`") from None
