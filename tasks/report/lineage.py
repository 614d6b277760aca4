"""How the numbers came about: lineage in `report.html` and `lineage.html`, from manifests alone: no times, no hosts."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.picture.graph import Graph
from tasks.lineage.picture.sources import flat
from tasks.lineage.picture.stages import marks_of, score_node, stage_graph
from tasks.report.evidence import Evidence
from tasks.report.samples import Sample
from tasks.shared.artifacts.indexed import read_indexed
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.files import sha256_json

PAGE = "lineage.html"
LISTED = 12  # files of a stage that are named; of more, how many


def lineage_parts(evidence: Evidence, samples: list[Sample]) -> dict[str, Any]:
    """What the template of the page is filled with, beside the parts of the report."""
    shown = {video_id for sample in samples for video_id in sample.results}
    return {
        "lineage": stage_lineage(evidence, "#stage-{}"),
        "stages": list(evidence.lineage.executions.values()),
        "flat": flat,
        "most_outputs": LISTED,
        # what identifies the index: the scalars of its content manifest
        "index_facts": {key: value for key, value in flat(asdict(evidence.index)).items() if len(value) <= 100},
        "documents": read_indexed(evidence.root / "encode", shown),
        "quoted": shlex.quote,
    }


def broken_links(evidence: Evidence) -> list[str]:
    """What stages read that is not what the stages before them say they made, in words."""
    return [f"{link.reader} read another {link.artifact.path}" for link in evidence.lineage.broken()]


def stage_lineage(evidence: Evidence, link: str) -> Graph:
    """The stages that made the score, from their manifests; links go to a stage's details."""
    lineage, scores, lead, number = evidence.lineage, evidence.scores, evidence.lead, None
    if lead and evidence.headline is not None:
        over = f"over {scores.queries} queries and {scores.videos} videos"
        number = score_node(HEADLINE, lead, evidence.headline, scores.intervals[lead][HEADLINE], over)
    names = list(lineage.executions)
    title = f"How the {'score' if number else 'index'} came about"
    about = "Every stage with the digest of its manifest, and what it read of the stages before it."
    return stage_graph(lineage, names, number, marks_of(lineage, names, {}), title=title, about=about, link=link)


def models(evidence: Evidence) -> list[tuple[str, str, str | None, str | None]]:
    """Role, name, revision and digest of the models that took part, as params and artifacts name them."""
    heard, base = evidence.recogniser, evidence.base
    retriever = evidence.lineage.execution("evaluate").params["retriever"]
    used = (evidence.scores.retriever or {}).get("digest")
    found = [("speech recognition", heard["model"], heard["revision"], heard["digest"])] if heard["model"] else []
    found += [
        ("dense text retriever", retriever["model"], retriever["revision"], used),
        ("omni embedder, base", base.model, base.revision, _digest_of_folder(evidence, base.model)),
    ]
    if base.adapter:
        found.append(("omni embedder, adapter it starts from", base.adapter, base.adapter_revision, None))
    if evidence.training.trained:
        weights = evidence.lineage.execution("train").weights
        found += [("adapter trained here", name, None, digest) for name, digest in weights.items()]
    return found


def _digest_of_folder(evidence: Evidence, folder: str) -> str | None:
    """Identity of a folder of weights that a stage made, as `Model.digest` has it; None for any other model."""
    made, top = evidence.lineage.execution("base").generated, f"{PurePosixPath(folder)}/"
    files = {name.removeprefix(top): one.sha256 for name, one in made.items() if name.startswith(top)}
    return sha256_json(files) if files else None
