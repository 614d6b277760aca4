"""How the numbers came about: the parts on lineage of `report.html`, and the page `lineage.html` with every stage in
full and the ancestry of the results shown. From the stages' manifests: no times, no hosts.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.picture.graph import Graph, Mark
from tasks.lineage.picture.sources import flat
from tasks.lineage.picture.stages import score_node, stage_graph
from tasks.report.evidence import Evidence
from tasks.report.samples import Sample
from tasks.shared.artifacts.indexed import read_indexed
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.files import sha256_json

PAGE = "lineage.html"
LISTED = 12  # files of a stage that are named; of more, how many
LEGEND: dict[Mark, str] = {
    "broken": "what was read is not, byte for byte, what its maker has here: the two are not of one run",
}


@dataclass(frozen=True)
class Model:
    """A model that took part: its role, name, and revision or digest where one is recorded."""

    role: str
    name: str
    revision: str | None
    digest: str | None


def lineage_parts(evidence: Evidence, samples: list[Sample]) -> dict[str, Any]:
    """What the template of the page is filled with, beside the parts of the report."""
    shown = {result.shown.video.video_id for sample in samples for result in sample.results}
    return {
        "lineage": stage_lineage(evidence, "#stage-{}"),
        "stages": list(evidence.lineage.executions.values()),
        "flat": flat,
        "most_outputs": LISTED,
        # what identifies the index: the scalars of its content manifest
        "index_facts": [(key, value) for key, value in flat(asdict(evidence.index)) if len(value) <= 100],
        "documents": read_indexed(evidence.root / "encode", shown),
        "quoted": shlex.quote,
    }


def broken_links(evidence: Evidence) -> list[str]:
    """What stages read that is not what the stages before them say they made, in words."""
    return [f"{link.reader} read another {link.artifact.path}" for link in evidence.lineage.broken()]


def stage_lineage(evidence: Evidence, link: str) -> Graph:
    """The stages that made the score, from their manifests; links go to a stage's details."""
    lineage, scores, lead = evidence.lineage, evidence.scores, evidence.lead
    marks: dict[str, tuple[Mark, tuple[str, ...]]] = {}
    for one in lineage.broken():
        reasons = marks[one.reader][1] if one.reader in marks else ()
        marks[one.reader] = ("broken", (*reasons, f"read another {one.artifact.path}"))
    number = None
    if lead is not None and lead in scores.systems:
        over = f"over {scores.queries} queries and {scores.videos} videos"
        number = score_node(HEADLINE, lead, scores.systems[lead][HEADLINE], scores.intervals[lead][HEADLINE], over)
    return stage_graph(
        lineage,
        list(lineage.executions),
        number,
        marks,
        title="How the score came about" if number else "How the index came about",
        about="Every stage with the digest of its manifest, and what it read of the stages before it.",
        legend=LEGEND if marks else {},
        link=link,
    )


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
