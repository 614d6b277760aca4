"""How the numbers came about, from the stages' manifests; no times, no hosts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.picture.stages import flat
from tasks.report.evidence import Evidence
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import sha256_json

LISTED = 12  # outputs; of more, their number and size


@dataclass(frozen=True)
class File:
    """A file of a manifest: name, sha256, bytes."""

    name: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class StageFacts:
    """A stage as its manifest tells it."""

    name: str
    manifest: str
    params: list[tuple[str, str]]
    counts: dict[str, int]
    components: dict[str, str]
    code: dict[str, str]
    code_digest: str
    inputs: list[File]
    outputs: list[File]
    folders: dict[str, dict[str, int]]  # outputs too many to name one by one: files and bytes by folder
    output_count: int
    output_bytes: int
    derived: list[str]


@dataclass(frozen=True)
class Model:
    """A model that took part: its role, name, and revision or digest where one is recorded."""

    role: str
    name: str
    revision: str | None
    digest: str | None


@dataclass(frozen=True)
class Chain:
    """How many recorded inputs come from a stage here, and those whose digest is not that stage's: reader and path."""

    links: int
    broken: list[tuple[str, str]]

    @property
    def told(self) -> list[str]:
        """What is broken, in words."""
        return [f"{stage} read another {path}" for stage, path in self.broken]


def stages(evidence: Evidence) -> list[StageFacts]:
    """Every stage before the report, as each feeds the next."""
    return [_facts(name, manifest, evidence.digests[name]) for name, manifest in evidence.manifests.items()]


def _facts(name: str, manifest: dict[str, Any], digest: str) -> StageFacts:
    outputs = _files(manifest["outputs"])
    return StageFacts(
        name=name,
        manifest=digest,
        params=flat(manifest["params"]),
        counts=manifest["counts"],
        components=manifest["components"],
        code=manifest["code"],
        code_digest=sha256_json(manifest["code"]),
        inputs=_files(manifest["inputs"]),
        outputs=outputs,
        folders=manifest["folders"],
        output_count=len(outputs) + sum(one["files"] for one in manifest["folders"].values()),
        output_bytes=sum(one.bytes for one in outputs) + sum(one["bytes"] for one in manifest["folders"].values()),
        derived=manifest["derived"],
    )


def _files(entries: dict[str, dict[str, Any]]) -> list[File]:
    return [File(name, one["sha256"], one["bytes"]) for name, one in sorted(entries.items())]


def chain(evidence: Evidence) -> Chain:
    """Whether what each stage says it read is what the stages before it say they made."""
    made = {
        name: one["sha256"] for manifest in evidence.manifests.values() for name, one in manifest["outputs"].items()
    }
    made |= {(RESULTS / stage / MANIFEST).as_posix(): digest for stage, digest in evidence.digests.items()}
    links = 0
    broken: list[tuple[str, str]] = []
    for stage, manifest in evidence.manifests.items():
        for name, one in manifest["inputs"].items():
            if RESULTS in PurePosixPath(name).parents:
                links += 1
                if made.get(name) != one["sha256"]:
                    broken.append((stage, name))
    return Chain(links, broken)


def models(evidence: Evidence) -> list[Model]:
    """Models by role, as params and artifacts name them."""
    heard = evidence.recogniser
    retriever = evidence.manifests["evaluate"]["params"]["retriever"]
    used = evidence.scores.retriever or {}
    base = evidence.base
    found = [Model("speech recognition", heard["model"], heard["revision"], heard["digest"])] if heard["model"] else []
    found += [
        Model("dense text retriever", retriever["model"], retriever["revision"], used.get("digest")),
        Model("omni embedder, base", base.model, base.revision, _digest_of_folder(evidence, base.model)),
    ]
    if base.adapter:
        found.append(Model("omni embedder, adapter it starts from", base.adapter, base.adapter_revision, None))
    if evidence.training.trained:
        outputs = evidence.manifests["train"]["outputs"]
        weights = [name for name in outputs if name.endswith(".safetensors")]
        found += [Model("adapter trained here", name, None, outputs[name]["sha256"]) for name in sorted(weights)]
    return found


def _digest_of_folder(evidence: Evidence, folder: str) -> str | None:
    """Identity of a folder of weights that a stage made, as `Model.digest` has it; None for any other model."""
    files = {
        PurePosixPath(name).relative_to(folder).as_posix(): one["sha256"]
        for name, one in evidence.manifests["base"]["outputs"].items()
        if PurePosixPath(folder) in PurePosixPath(name).parents
    }
    return sha256_json(files) if files else None


def index_facts(evidence: Evidence) -> list[tuple[str, str]]:
    """What identifies the searchable index: the scalars of its content manifest."""
    return [(key, value) for key, value in flat(asdict(evidence.index)) if len(value) <= 100]
