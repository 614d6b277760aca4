"""Files of a state that are as they were recorded: only of these does an event tell what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.audit.export.datasets import Files
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact, Execution
from tasks.shared.artifacts.publish import FILES, MANIFEST, read_outputs
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file


class Records:
    """The files of a state, checked. `remarks` says of every file that was asked for and cannot be used, why."""

    def __init__(self, lineage: Lineage) -> None:
        self.lineage = lineage
        self.remarks: list[str] = []
        self._digests: dict[str, str | None] = {}

    def file(self, path: str, sha256: str) -> Path | None:
        """Where a file lies; None where it is not to be had, or is not the one of this digest."""
        if path not in self._digests:
            self._digests[path] = self._digest(path)
        return self.lineage.root / path if self._digests[path] == sha256 else None

    def output(self, manifest: Execution, path: Path) -> Path | None:
        """The same for a file among a stage's outputs."""
        entry = manifest.generated.get(path.as_posix())
        return self.file(path.as_posix(), entry.sha256) if entry else None

    def json(self, manifest: Execution, path: Path) -> Any:
        """What a stage's JSON file says; None where it is not to be had."""
        place = self.output(manifest, path)
        return json.loads(place.read_text(encoding="utf-8")) if place else None

    def outputs(self, manifest: Execution) -> Files:
        """A stage's outputs, those of large folders included where their listing is to be had."""
        if not manifest.folders or self.output(manifest, RESULTS / manifest.stage / FILES) is None:
            return manifest.generated
        self.lineage.need(RESULTS / manifest.stage / MANIFEST)
        listed = read_outputs(manifest.stage, self.lineage.results)
        return {path: Artifact(path, one["sha256"], one["bytes"]) for path, one in listed.items()}

    def _digest(self, path: str) -> str | None:
        try:
            digest = sha256_file(self.lineage.need(path))
        except UserError as error:
            self.remarks.append(f"{path} cannot be read, so what it holds is left out: {error}")
            return None
        stage = Path(path).parts[1]
        entry = self.lineage.executions[stage].generated.get(path) if stage in self.lineage.executions else None
        if entry and entry.sha256 != digest:
            self.remarks.append(
                f"{path} is not as its manifest records it, so what it holds is left out; see `reeltrace audit verify`"
            )
        return digest
