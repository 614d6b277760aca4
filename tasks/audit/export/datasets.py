"""Datasets of a state: what stages wrote and read, each under its name and with a digest for its version.

A file is a dataset, versioned by the sha256 of its bytes. So is what a stage published as a whole, `results/<stage>`,
by the sha256 of its manifest, which lists the sha256 of every file; a stage that depends on the folder read that. A
folder with a file an item (videos, frames, audio) or with a model's files is one dataset, by the digest of its
listing; the LanceDB table, whose bytes are not reproducible, by the digest of the manifest of its content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Literal

import pyarrow as pa

from tasks.audit.export.files import CONTENT, INDEX, Files
from tasks.audit.export.names import Name, Names
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Artifact, Execution, Holds
from tasks.shared.artifacts import models, scores, transcripts
from tasks.shared.artifacts.publish import FILES
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json
from tasks.shared.runtime.parquet import read_parquet

Kind = Literal["FILE", "FOLDER", "MODEL", "TABLE", "STAGE"]

OF_FILE = "the file's bytes"
OF_STAGE = "manifest.json, which has the sha256 of every file"
OF_LISTING = "the canonical JSON of the sha256 of every file by its path in the folder"
OF_CONTENT = f"{PurePosixPath(CONTENT).name}, which describes the table's content"
OF_HUB = "the model's revision on the hub, as params name it"

MADE = "results/corpus/videos"  # where the demo's own videos lie
FOLDERS: dict[str, Kind] = {  # that are one dataset
    MADE: "FOLDER",
    "results/extract/frames": "FOLDER",
    "results/extract/audio": "FOLDER",
    "results/base/model": "MODEL",
    f"results/train/{models.ADAPTER}": "MODEL",
}
VIDEOS = "results/corpus/manifest.parquet"
COLUMNS = pa.schema([("path", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64())])
RECORDED = {  # where stages record the model that they loaded
    "transcribe": transcripts.FOLDER / models.MODEL,
    "mine": RESULTS / "mine" / "retriever.json",
    "evaluate": scores.FOLDER / scores.METRICS,
}
BASE_PARTS = (("model", ""), ("processor", "processor_"), ("adapter", "adapter_"))  # and how their revision begins


@dataclass(frozen=True)
class Dataset:
    """A version of a dataset.

    Attributes:
        version: the digest, or a model's commit on the hub; None where none was recorded.
        identity: what the version is the digest of, or why there is none.
        path: where it lies below the state's root; None for what lies elsewhere.
        files, bytes: how many and how large; None where that was not recorded.
        maker, holds: of an input: the stage that made it (None: it is from outside), and whether that made this.
    """

    name: Name
    kind: Kind
    version: str | None
    identity: str
    path: str | None = None
    files: int | None = None
    bytes: int | None = None
    maker: str | None = None
    holds: Holds = "yes"


class Datasets:
    """The datasets of a state by stage."""

    def __init__(self, lineage: Lineage, names: Names, files: Files) -> None:
        self.lineage, self.names, self.files = lineage, names, files

    def written(self, execution: Execution) -> list[Dataset]:
        """What a stage published: the whole of it first, then its parts by path."""
        outputs = self.files.outputs(execution)
        groups = _groups(outputs, execution.folders)
        found = [self._whole(execution), *(self._part(path, group) for path, group in groups.items())]
        for path, size in execution.folders.items():
            if path not in groups:
                unlisted = f"no digest: its listing, {FILES}, is not to be had"
                name = self.names.file(path)
                found.append(Dataset(name, "FOLDER", None, unlisted, path, size["files"], size["bytes"]))
        for path in execution.derived:
            if path == INDEX and CONTENT in outputs:
                found.append(Dataset(self.names.file(path), "TABLE", outputs[CONTENT].sha256, OF_CONTENT, path))
            else:
                unlike = "no digest: its bytes are not reproducible"
                found.append(Dataset(self.names.file(path), "FOLDER", None, unlike, path))
        return found

    def read(self, execution: Execution) -> list[Dataset]:
        """What a stage read: of other stages (a manifest stands for all that its stage published) and from outside."""
        found: list[Dataset] = []
        links = {link.artifact.path: link for link in self.lineage.links(execution.stage)}
        makers = self.lineage.executions
        for link in links.values():
            if link.maker and link.artifact.kind == "manifest":
                name = self.names.file((RESULTS / link.maker).as_posix())
                whole = Dataset(name, "STAGE", link.artifact.sha256, OF_STAGE)
                whole = self._whole(makers[link.maker]) if link.holds == "yes" else whole
                found.append(replace(whole, maker=link.maker, holds=link.holds))
        parts = {path: link.artifact for path, link in links.items() if link.artifact.kind != "manifest"}
        for path, group in _groups(parts, {one for maker in makers.values() for one in maker.folders}).items():
            holds = {links[file].holds for file in group}
            worst: Holds = "no" if "no" in holds else "unknown" if "unknown" in holds else "yes"
            found.append(replace(self._part(path, group), maker=links[next(iter(group))].maker, holds=worst))
        return [*found, *self._videos(execution), *self._models(execution)]

    def _whole(self, execution: Execution) -> Dataset:
        path = (RESULTS / execution.stage).as_posix()
        large = execution.folders.values()
        files = len(execution.generated) + sum(size["files"] for size in large)
        size = sum(one.bytes for one in execution.generated.values()) + sum(size["bytes"] for size in large)
        return Dataset(self.names.file(path), "STAGE", execution.digest, OF_STAGE, path, files, size)

    def _part(self, path: str, files: Mapping[str, Artifact]) -> Dataset:
        size = sum(one.bytes for one in files.values())
        if path in files:
            return Dataset(self.names.file(path), "FILE", files[path].sha256, OF_FILE, path, 1, size)
        listing = sha256_json({file.removeprefix(f"{path}/"): one.sha256 for file, one in files.items()})
        kind = FOLDERS.get(path, "FOLDER")
        return Dataset(self.names.file(path), kind, listing, OF_LISTING, path, len(files), size)

    def _videos(self, execution: Execution) -> list[Dataset]:
        """The source videos, where a stage reads them: corpus lists them unless it made them, extract decodes them,
        and transcribe reads what is written in them where its params say so."""
        table = {**execution.generated, **execution.used}.get(VIDEOS)
        ocr = execution.params.get("transcribe", {}).get("ocr") == "rapidocr"
        reads = execution.stage in ("corpus", "extract") or ocr
        place = self.files.place(VIDEOS, table.sha256) if table and reads else None
        rows = read_parquet(place, COLUMNS).to_pylist() if place else []
        made = all(row["path"].startswith(f"{MADE}/") for row in rows)
        if not rows or (made and execution.stage == "corpus"):
            return []
        top = MADE if made else PurePosixPath(self.names.corpus or ".").as_posix()
        listing = sha256_json({row["path"].removeprefix(f"{top}/"): row["sha256"] for row in rows})
        size = sum(row["bytes"] for row in rows)
        found = Dataset(self.names.file(top), "FOLDER", listing, OF_LISTING, top if made else None, len(rows), size)
        return [replace(found, maker="corpus" if made else None)]

    def _models(self, execution: Execution) -> list[Dataset]:
        """The models that a stage loaded and that no stage made, with the digest that the stage recorded of them."""
        stage, found = execution.stage, []
        told = self.files.json(execution, RECORDED[stage]) if stage in RECORDED else None
        told = (told or {}).get("retriever") if stage == "evaluate" else told
        if told and told.get("model") and "system" not in told:
            found.append((told["model"], told.get("revision"), told.get("digest")))
        if stage == "base" and not _pretrained(execution) and (teacher := execution.params.get("retriever")):
            found.append((teacher["model"], teacher.get("revision"), None))
        base = next((link for link in self.lineage.links(stage) if link.maker == "base" and link.holds == "yes"), None)
        trained = self.files.json(execution, RESULTS / "train" / models.TRAINED) if stage == "train" else None
        loads = stage == "encode" or (trained or {}).get("trained") or (stage == "mine" and "system" in (told or {}))
        if base and loads and _pretrained(made := self.lineage.executions["base"]):
            params = made.params["base"]
            parts = [(params.get(name), params.get(f"{of}revision"), None) for name, of in BASE_PARTS]
            found += [part for part in parts if part[0]]
        return [self._model(*one) for one in found]

    def _model(self, model: str, revision: str | None, digest: str | None) -> Dataset:
        identity = OF_HUB if revision else OF_LISTING if digest else "no digest: the stage did not record one"
        return Dataset(self.names.model(model, revision), "MODEL", revision or digest, identity)


def _pretrained(base: Execution) -> bool:
    """Whether the base is one that params name, and not made from a seed; params of an older version may not say."""
    return bool(base.params.get("base", {}).get("source") == "pretrained")


def _groups(files: Mapping[str, Artifact], large: Iterable[str]) -> dict[str, dict[str, Artifact]]:
    """By the path of each dataset, sorted, the files that are it."""
    together = {*FOLDERS, *large}
    groups: dict[str, dict[str, Artifact]] = {}
    for path, one in files.items():
        folder = "/".join(path.split("/", 3)[:3])  # results/<stage>/<folder>
        groups.setdefault(folder if folder in together else path, {})[path] = one
    return {path: groups[path] for path in sorted(groups)}
