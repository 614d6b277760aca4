"""Executions from `manifest.json`, which `tasks.shared.artifacts.publish` writes."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from tasks.lineage.model import Execution
from tasks.shared.runtime.errors import UserError

EXECUTION = TypeAdapter(Execution)
NAMES = {"used": "inputs", "generated": "outputs"}  # of an execution, and of a manifest


def parse_manifest(content: bytes, where: str) -> Execution:
    """An execution from the bytes of its manifest. Raises UserError where they are none; `where` names them."""
    try:
        raw = {"folders": {}} | json.loads(content)  # older manifests name every file
        for name, key in NAMES.items():
            raw[name] = {path: one | {"path": path} for path, one in raw[key].items()}
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
