"""Executions from `manifest.json`, which `tasks.shared.artifacts.publish` writes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from tasks.lineage.model import Artifact, Execution
from tasks.shared.runtime.errors import UserError


def parse_manifest(content: bytes, where: str) -> Execution:
    """An execution from the bytes of its manifest. Raises UserError where they are none; `where` names them."""
    try:
        raw: dict[str, Any] = json.loads(content)
        return Execution(
            stage=_text(raw["stage"]),
            digest=hashlib.sha256(content).hexdigest(),
            params=dict(raw["params"]),
            code=_texts(raw["code"]),
            components=_texts(raw["components"]),
            used=_artifacts(raw["inputs"]),
            generated=_artifacts(raw["outputs"]),
            folders={path: {"files": int(one["files"]), "bytes": int(one["bytes"])} for path, one in _folders(raw)},
            derived=[_text(one) for one in raw["derived"]],
            counts={_text(name): _count(one) for name, one in raw["counts"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UserError(
            f"{where} is no manifest ({type(error).__name__}: {error}); restore it: `dvc checkout`"
        ) from None


def read_manifest_file(path: Path) -> Execution:
    """The execution whose manifest lies at a path. Raises UserError where there is none."""
    try:
        return parse_manifest(path.read_bytes(), str(path))
    except OSError:
        raise UserError(f"{path} is missing; run `dvc checkout` or `dvc repro`") from None


def _folders(raw: dict[str, Any]) -> Any:
    return raw.get("folders", {}).items()  # older manifests name every file


def _artifacts(entries: dict[str, dict[str, Any]]) -> dict[str, Artifact]:
    found = {}
    for path, one in entries.items():
        if set(one) != {"sha256", "bytes"}:
            raise ValueError(f"{path} has {', '.join(sorted(one))}")
        found[path] = Artifact(path, _text(one["sha256"]), _count(one["bytes"]))
    return found


def _texts(entries: dict[str, Any]) -> dict[str, str]:
    return {name: _text(one) for name, one in entries.items()}


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def _count(value: Any) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no number")
    return value
