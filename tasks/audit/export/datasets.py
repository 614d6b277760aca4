"""Datasets of a state: what stages wrote and read, each under its name and with a digest for its version.

A file is versioned by its sha256, `results/<stage>` as a whole by that of its manifest, a folder with a file an item or
a model by its listing; the LanceDB table, whose bytes are not reproducible, by the manifest of its content.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from openlineage.client.event_v2 import InputDataset, OutputDataset

from tasks.audit.export.facets import TABLES, Kind, Names, as_input, described, rows_and_columns
from tasks.audit.recorded import recorded_artifacts, recorded_file
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact, Execution, Holds
from tasks.shared.artifacts import index, models, scores, transcripts
from tasks.shared.artifacts.publish import FILES_SCHEMA
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.parquet import read_parquet

INDEX = (index.FOLDER / index.DATABASE).as_posix()
CONTENT = (index.FOLDER / index.MANIFEST).as_posix()
VIDEOS = "results/corpus/manifest.parquet"
MADE = "results/corpus/videos"  # where the demo's own videos lie
FOLDERS: dict[str, Kind] = {  # that are one dataset
    MADE: "FOLDER",
    "results/extract/frames": "FOLDER",
    "results/extract/audio": "FOLDER",
    "results/base/model": "MODEL",
    f"results/train/{models.ADAPTER}": "MODEL",
}
RECORDED = {  # where stages record the text or speech model that they loaded
    "transcribe": transcripts.FOLDER / models.MODEL,
    "mine": RESULTS / "mine" / "retriever.json",
    "evaluate": scores.FOLDER / scores.METRICS,
}
OF_LISTING = "the canonical JSON of the sha256 of every file by its path in the folder"


class Datasets:
    """The datasets of a state, to be asked for by stage, makers first, so that readers are told what makers are."""

    def __init__(self, lineage: Lineage, names: Names) -> None:
        self.lineage, self.names = lineage, names
        self.remarks: dict[str, None] = {}  # why files that were asked for cannot be used
        self._told: dict[tuple[tuple[str, str], str | None], OutputDataset] = {}  # by name and version

    def written(self, execution: Execution) -> list[OutputDataset]:
        """What a stage published: the whole of it first, then its parts by path."""
        try:
            outputs = recorded_artifacts(self.lineage, execution.stage)
        except UserError as error:
            outputs = execution.generated
            self.remarks[f"{error}; what it lists is left out"] = None
        dvc = self.lineage.outs
        size = _size(execution.generated.values())
        for key, of in (("fileCount", "files"), ("size", "bytes")):
            size[key] += sum(one[of] for one in execution.folders.values())
        found = [self._stage(execution.stage, execution.digest, size)]
        found += [self._part(path, group, dvc.get(path)) for path, group in _groups(outputs, execution.folders).items()]
        if INDEX in execution.derived and CONTENT in outputs:
            version = outputs[CONTENT].sha256
            size = {"rowCount": rows_and_columns(place)[0]} if (place := self._file(CONTENT, version)) else {}
            identity = f"{index.MANIFEST}, which describes the table's content"
            found.append(self._dataset(self.names.file(INDEX), "TABLE", version, identity, size, dvc.get(INDEX)))
        return found

    def read(self, execution: Execution) -> list[InputDataset]:
        """What a stage read: of other stages (a manifest stands for all that its stage published) and from outside."""
        links = {link.artifact.path: link for link in self.lineage.links(execution.stage)}
        files = {path: link.artifact for path, link in links.items() if link.artifact.kind != "manifest"}
        found = [
            as_input(self._stage(link.maker, link.artifact.sha256), link.maker, link.holds)
            for link in links.values()
            if link.maker and link.artifact.kind == "manifest"
        ]
        large = {folder for maker in self.lineage.executions.values() for folder in maker.folders}
        for path, group in _groups(files, large).items():
            holds = {links[file].holds for file in group}
            worst: Holds = "no" if "no" in holds else "unknown" if "unknown" in holds else "yes"
            found.append(as_input(self._part(path, group), links[next(iter(group))].maker, worst))
        return [*found, *self._videos(execution), *self._models(execution)]

    def json(self, execution: Execution, path: Path) -> Any:
        place = self._file(path.as_posix(), execution.digest_of(path))
        return json.loads(place.read_text(encoding="utf-8")) if place else None

    def _file(self, path: str, sha256: str | None) -> Path | None:
        """Where an output lies; None where it is not of this state, or (which is remarked) not as it was recorded."""
        maker = self.lineage.executions.get(path.partition("/")[2].partition("/")[0])
        if sha256 is None or maker is None or maker.digest_of(path) != sha256:
            return None
        try:
            return recorded_file(self.lineage, path, sha256)
        except UserError as error:
            self.remarks[f"{error}; what it holds is left out"] = None
        return None

    def _stage(self, stage: str, version: str, size: Mapping[str, int] | None = None) -> OutputDataset:
        path, identity = (RESULTS / stage).as_posix(), "manifest.json, which has the sha256 of every file"
        dvc = self.lineage.outs.get(path) if size else None  # of another version it is not known
        return self._dataset(self.names.file(path), "STAGE", version, identity, size, dvc)

    def _part(self, path: str, files: Mapping[str, Artifact], dvc: str | None = None) -> OutputDataset:
        """A file, or a folder that is one dataset."""
        name, size, columns = self.names.file(path), _size(files.values()), None
        if path not in files:
            listing = sha256_json({file.removeprefix(f"{path}/"): one.sha256 for file, one in files.items()})
            return self._dataset(name, FOLDERS.get(path, "FOLDER"), listing, OF_LISTING, size, dvc)
        version = files[path].sha256
        if (name, version) not in self._told and path.endswith(TABLES) and (place := self._file(path, version)):
            size["rowCount"], columns = rows_and_columns(place)
        return self._dataset(name, "FILE", version, "the file's bytes", size, dvc, columns)

    def _dataset(self, name: tuple[str, str], kind: Kind, version: str | None, *about: Any) -> OutputDataset:
        """A version as it was first described: by its maker, where this state has it."""
        if (name, version) not in self._told:
            self._told[name, version] = described(name, kind, version, *about)
        return self._told[name, version]

    def _videos(self, execution: Execution) -> list[InputDataset]:
        """The source videos: corpus lists them unless it made them, extract decodes them, OCR reads what they show."""
        ocr = execution.params.get("transcribe", {}).get("ocr") == "rapidocr"
        table = (execution.generated | execution.used).get(VIDEOS)
        reads = execution.stage in ("corpus", "extract") or ocr
        place = self._file(VIDEOS, table.sha256) if table and reads else None
        rows = read_parquet(place, FILES_SCHEMA).to_pylist() if place else []
        made = all(row["path"].startswith(f"{MADE}/") for row in rows)
        if not rows or (made and execution.stage == "corpus"):
            return []
        top = MADE if made else PurePosixPath(self.names.corpus or ".").as_posix()
        return [as_input(self._part(top, {row["path"]: Artifact(**row) for row in rows}), "corpus" if made else None)]

    def _models(self, execution: Execution) -> Iterator[InputDataset]:
        """The models that a stage took from outside, by the hub's revision or the digest that the stage recorded."""
        stage = execution.stage
        told = (self.json(execution, RECORDED[stage]) if stage in RECORDED else None) or {}
        told = (told.get("retriever") or {}) if stage == "evaluate" else told
        if stage == "base":  # the model itself, or the teacher of one that is made from a seed
            pretrained = execution.params.get("base", {}).get("source") == "pretrained"
            told = execution.params.get("base" if pretrained else "retriever") or {}
        for part, of in (("model", ""), ("processor", "processor_"), ("adapter", "adapter_")):
            if told.get(part) and "system" not in told:  # else it is of stage base
                revision, digest = told.get(f"{of}revision"), told.get(f"{of}digest")
                identity = OF_LISTING if digest else "no digest: the stage did not record one"
                identity = "the model's revision on the hub, as params name it" if revision else identity
                name = self.names.model(told[part], revision)
                yield as_input(self._dataset(name, "MODEL", revision or digest, identity), None)


def _size(files: Collection[Artifact]) -> dict[str, int]:
    return {"fileCount": len(files), "size": sum(one.bytes for one in files)}


def _groups(files: Mapping[str, Artifact], large: Collection[str]) -> dict[str, dict[str, Artifact]]:
    """By the path of each dataset, sorted, the files that are it."""
    groups: dict[str, dict[str, Artifact]] = {}
    for path, one in sorted(files.items()):
        folder = "/".join(path.split("/", 3)[:3])  # results/<stage>/<folder>
        groups.setdefault(folder if folder in FOLDERS or folder in large else path, {})[path] = one
    return groups
