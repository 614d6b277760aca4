"""The models and data from outside that stages used, as boxes of a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.picture.graph import Line, Node, counted, digests, short
from tasks.shared.artifacts import models, scores, transcripts
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

MODELS = {  # by the section of params that names one: what it is, and which stages use it for what
    "transcribe": ("speech recogniser", {"transcribe": "model"}),
    "retriever": ("text retriever", {"mine": "dense candidates", "base": "teacher", "evaluate": "dense baseline"}),
    "base": ("base model", {"base": "weights"}),
    "base.processor": ("tokenizer", {"base": "token ids"}),
    "base.adapter": ("adapter", {"base": "weights"}),
}
RECORDED = {"transcribe": transcripts.FOLDER / models.MODEL, "evaluate": scores.FOLDER / scores.METRICS}
Source = tuple[Node, dict[str, str]]  # with what it is for, by the stage that reads it


def flat(params: Any, prefix: str = "") -> dict[str, str]:
    """Params by `section.key` as params.yaml writes them."""
    if isinstance(params, Mapping):
        below = (flat(value, f"{prefix}.{key}" if prefix else key) for key, value in params.items())
        return {key: value for one in below for key, value in one.items()}
    if isinstance(params, list):
        return {prefix: ", ".join(str(one) for one in params)}
    return {prefix: params if isinstance(params, str) else json.dumps(params)}


def sources_of(lineage: Lineage, names: Sequence[str]) -> list[Source]:
    """What comes from outside of what some stages read, in the order of the stages."""
    known = _digests(lineage)
    found: dict[str, Source] = {}
    for execution in (lineage.executions[name] for name in names if name in lineage.executions):
        params, stage = flat(execution.params), execution.stage
        if stage == "corpus":
            found |= _of_corpus(params, execution.counts)
        for section, (title, uses) in MODELS.items():
            of = f"{section}_" if section in params else f"{section}."  # base.adapter has base.adapter_revision
            name, revision = params.get(section, params.get(f"{section}.model", "null")), params.get(f"{of}revision")
            if stage not in uses or name == "null" or not _asked_for(section, stage, params):
                continue
            if section not in found:
                revision, digest = None if revision == "null" else revision, known.get(name)
                identity = [f"revision {revision}"] if revision else [f"sha256 {short(digest)}"] if digest else []
                facts = {"model": name, "revision": revision, "sha256": digest}
                lines = (Line(name), *digests(*identity))
                found[section] = (Node(f"model {section}", "source", title, lines, facts=facts), {})
            found[section][1][stage] = uses[stage]
    return list(found.values())


def _asked_for(section: str, stage: str, params: Mapping[str, str]) -> bool:
    """Whether a stage's params have it use a model."""
    if stage == "base":  # a tiny base is made here, with the text retriever as its teacher
        return (params.get("base.source") == "pretrained") != (section == "retriever")
    return params.get("transcribe.source") != "shipped" and params.get("mine.source", "dense") == "dense"


def _digests(lineage: Lineage) -> dict[str, str | None]:
    """Digests of models by their name in params, where a stage recorded them."""
    found: dict[str, str | None] = {}
    with suppress(UserError, ValueError, KeyError):  # a name without its digest is what the picture then shows
        for stage, path in RECORDED.items():
            if stage in lineage.executions:
                told = read_json(lineage.need(path))
                told = told if stage == "transcribe" else told["retriever"] or {}
                found |= {told["model"]: told["digest"]} if told else {}
    return found


def _of_corpus(params: Mapping[str, str], counts: Mapping[str, int]) -> dict[str, Source]:
    facts = {key: params.get(f"corpus.{key}") for key in ("source", "path")}
    place = [Line(": ".join(filter(None, facts.values())))] if any(facts.values()) else []
    asked = {what: counts.get(f"test_{what}", 0) + counts.get(f"train_{what}", 0) for what in ("queries", "judgments")}
    return {
        key: (
            Node(key, "source", title, (*place, Line(counted(some) or "none known")), facts=facts | some),
            {"corpus": read},
        )
        for key, title, some, read in (
            ("videos", "videos", {"videos": counts.get("videos", 0)}, "sha256 of each"),
            ("queries", "queries and judgments", asked, "texts, relevance"),
        )
    }
