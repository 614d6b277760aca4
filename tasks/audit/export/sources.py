"""Datasets that no stage published and some stage read: source videos, and models from packages and the hub."""

from __future__ import annotations

from pathlib import PurePosixPath

import pyarrow as pa

from tasks.audit.export.datasets import OF_LISTING, Dataset, Read, listing
from tasks.audit.export.names import Names
from tasks.audit.export.records import Records
from tasks.lineage.model import Execution, Link
from tasks.shared.artifacts import models, scores, transcripts
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.parquet import read_parquet

VIDEOS = RESULTS / "corpus" / "manifest.parquet"
MADE = (RESULTS / "corpus" / "videos").as_posix()  # where the demo's own videos lie
FILES = pa.schema([("path", pa.string()), ("sha256", pa.string()), ("bytes", pa.int64())])

OF_HUB = "the model's revision on the hub, as params name it"


def videos_read(manifest: Execution, links: list[Link], records: Records, names: Names) -> list[Read]:
    """The source videos, where the stage reads them: extract decodes what the corpus lists with its sha256,
    and transcribe reads what is written in them where its params say so.

    The corpus stage has read them to list them, unless it made them.
    """
    if manifest.stage == "corpus":
        entry = manifest.generated.get(VIDEOS.as_posix())
        made = MADE in manifest.folders or any(path.startswith(f"{MADE}/") for path in manifest.generated)
        return _videos(entry.sha256, records, names) if entry and not made else []
    table = next((link for link in links if link.artifact.path == VIDEOS.as_posix()), None)
    reads = manifest.stage == "extract" or manifest.params.get("transcribe", {}).get("ocr") == "rapidocr"
    return _videos(table.artifact.sha256, records, names) if reads and table else []


def _videos(table: str, records: Records, names: Names) -> list[Read]:
    """The videos of the corpus table of this digest, as one dataset."""
    place = records.file(VIDEOS.as_posix(), table)
    if place is None:
        return []
    columns = read_parquet(place, FILES)
    rows = list(zip(*(columns.column(name).to_pylist() for name in FILES.names), strict=True))
    if not rows:
        return []
    made = all(path.startswith(f"{MADE}/") for path, _, _ in rows)
    top = MADE if made else PurePosixPath(names.corpus or ".").as_posix()
    files = {path.removeprefix(f"{top}/"): sha256 for path, sha256, _ in rows}
    size = sum(count for _, _, count in rows)
    found = Dataset(names.file(top), "FOLDER", listing(files), OF_LISTING, top if made else None, len(files), size)
    return [Read(found, "corpus" if made else None, "yes")]


BASE_PARTS = (
    ("model", ""),
    ("processor", "processor_"),
    ("adapter", "adapter_"),
)  # and what their revision begins with


def models_read(manifest: Execution, base: Execution | None, records: Records, names: Names) -> list[Read]:
    """The models that a stage loaded and that no stage made, with the digest that the stage recorded of them.

    Args:
        base: the manifest of the base that the stage read, where it read one; a pretrained base is only named there.
    """
    found: list[tuple[str, str | None, str | None]] = []  # name, revision, digest
    recorded = {
        "transcribe": lambda: records.json(manifest, transcripts.FOLDER / models.MODEL),
        "mine": lambda: records.json(manifest, RESULTS / "mine" / "retriever.json"),
        "evaluate": lambda: (records.json(manifest, scores.FOLDER / scores.METRICS) or {}).get("retriever"),
    }
    told = recorded[manifest.stage]() if manifest.stage in recorded else None
    if told and told.get("model") and "system" not in told:
        found.append((told["model"], told.get("revision"), told.get("digest")))
    if manifest.stage == "base" and not _pretrained(manifest) and (teacher := manifest.params.get("retriever")):
        found.append((teacher["model"], teacher.get("revision"), None))
    if base is not None and _pretrained(base) and _loads_base(manifest, records):
        params = base.params["base"]
        named = [(params.get(name), params.get(f"{of}revision")) for name, of in BASE_PARTS]
        found += [(name, revision, None) for name, revision in named if name]
    return [Read(_model(*one, names), None, "yes") for one in found]


def _pretrained(base: Execution) -> bool:
    """Whether the base is one that params name, and not made from a seed; params of an older version may not say."""
    return base.params.get("base", {}).get("source") == "pretrained"


def _loads_base(manifest: Execution, records: Records) -> bool:
    if manifest.stage == "train":
        trained = records.json(manifest, RESULTS / "train" / models.TRAINED)
        return bool(trained and trained["trained"])
    if manifest.stage == "mine":
        return "system" in (records.json(manifest, RESULTS / "mine" / "retriever.json") or {})
    return manifest.stage == "encode"


def _model(model: str, revision: str | None, digest: str | None, names: Names) -> Dataset:
    name = names.model(model, revision)
    if revision:
        return Dataset(name, "MODEL", revision, OF_HUB)
    return Dataset(name, "MODEL", digest, OF_LISTING if digest else "no digest: the stage did not record one")
