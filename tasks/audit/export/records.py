"""Files of a state that are as they were recorded: only of these does an event tell what they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tasks.audit.export.datasets import Files
from tasks.audit.manifest import Manifest
from tasks.audit.snapshot import Snapshot
from tasks.shared.artifacts.publish import FILES, MANIFEST, read_outputs
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_file


class Records:
    """The files of a state, checked. `remarks` says of every file that was asked for and cannot be used, why."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.remarks: list[str] = []
        self._digests: dict[str, str | None] = {}

    def file(self, path: str, sha256: str) -> Path | None:
        """Where a file lies; None where it is not to be had, or is not the one of this digest."""
        if path not in self._digests:
            self._digests[path] = self._digest(path)
        return self.snapshot.root / path if self._digests[path] == sha256 else None

    def output(self, manifest: Manifest, path: Path) -> Path | None:
        """The same for a file among a stage's outputs."""
        entry = manifest.outputs.get(path.as_posix())
        return self.file(path.as_posix(), entry["sha256"]) if entry else None

    def json(self, manifest: Manifest, path: Path) -> Any:
        """What a stage's JSON file says; None where it is not to be had."""
        place = self.output(manifest, path)
        return json.loads(place.read_text(encoding="utf-8")) if place else None

    def outputs(self, manifest: Manifest) -> Files:
        """A stage's outputs, those of large folders included where their listing is to be had."""
        if not manifest.folders or self.output(manifest, RESULTS / manifest.stage / FILES) is None:
            return manifest.outputs
        self.snapshot.need(RESULTS / manifest.stage / MANIFEST)
        return read_outputs(manifest.stage, self.snapshot.results)

    def _digest(self, path: str) -> str | None:
        try:
            digest = sha256_file(self.snapshot.need(path))
        except UserError as error:
            self.remarks.append(f"{path} cannot be read, so what it holds is left out: {error}")
            return None
        stage = Path(path).parts[1]
        entry = self.snapshot.manifests[stage].outputs.get(path) if stage in self.snapshot.manifests else None
        if entry and entry["sha256"] != digest:
            self.remarks.append(
                f"{path} is not as its manifest records it, so what it holds is left out; see `reeltrace audit verify`"
            )
        return digest
