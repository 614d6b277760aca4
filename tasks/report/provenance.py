"""How the numbers came about, from the stages' manifests; no times, no hosts."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import PurePosixPath

from tasks.lineage.picture.stages import flat
from tasks.report.evidence import Evidence
from tasks.shared.runtime.files import sha256_json


@dataclass(frozen=True)
class Model:
    """A model that took part: its role, name, and revision or digest where one is recorded."""

    role: str
    name: str
    revision: str | None
    digest: str | None


@dataclass(frozen=True)
class Chain:
    """How many recorded inputs come from a stage here, and what is broken, in words."""

    links: int
    told: list[str]


def chain(evidence: Evidence) -> Chain:
    """Whether what each stage says it read is what the stages before it say they made."""
    links = [one for one in evidence.lineage.links() if one.maker]
    return Chain(len(links), [f"{one.reader} read another {one.artifact.path}" for one in links if one.holds != "yes"])


def models(evidence: Evidence) -> list[Model]:
    """Models by role, as params and artifacts name them."""
    heard = evidence.recogniser
    retriever = evidence.lineage.execution("evaluate").params["retriever"]
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
        outputs = evidence.lineage.execution("train").generated
        weights = [name for name in outputs if name.endswith(".safetensors")]
        found += [Model("adapter trained here", name, None, outputs[name].sha256) for name in sorted(weights)]
    return found


def _digest_of_folder(evidence: Evidence, folder: str) -> str | None:
    """Identity of a folder of weights that a stage made, as `Model.digest` has it; None for any other model."""
    files = {
        PurePosixPath(name).relative_to(folder).as_posix(): one.sha256
        for name, one in evidence.lineage.execution("base").generated.items()
        if PurePosixPath(folder) in PurePosixPath(name).parents
    }
    return sha256_json(files) if files else None


def index_facts(evidence: Evidence) -> list[tuple[str, str]]:
    """What identifies the searchable index: the scalars of its content manifest."""
    return [(key, value) for key, value in flat(asdict(evidence.index)) if len(value) <= 100]
