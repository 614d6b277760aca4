"""The models and data from outside that stages used, as boxes of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution
from tasks.lineage.picture.graph import Line, Node, counted, short
from tasks.shared.artifacts import models, scores, transcripts
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

MODELS = {
    "transcribe": "speech recogniser",
    "retriever": "text retriever",
    "base": "base model",
    "base.processor": "tokenizer",
    "base.adapter": "adapter",
}
USES = {"mine": "dense candidates", "base": "teacher", "evaluate": "dense baseline"}  # of the text retriever
Source = tuple[Node, list[tuple[str, str]]]  # with the stages that read it and what for


def flat(params: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Params as `section.key` and their value as params.yaml writes it."""
    if isinstance(params, Mapping):
        return [pair for key, value in params.items() for pair in flat(value, f"{prefix}.{key}" if prefix else key)]
    if isinstance(params, list):
        return [(prefix, ", ".join(str(one) for one in params))]
    if params is None or isinstance(params, bool):
        return [(prefix, {None: "null", True: "true", False: "false"}[params])]
    return [(prefix, str(params))]


def sources_of(lineage: Lineage, names: Sequence[str]) -> list[Source]:
    """What comes from outside of what some stages read, in the order of the stages."""
    digests = _digests(lineage)
    found: dict[str, Source] = {}
    for execution in (lineage.executions[name] for name in names if name in lineage.executions):
        if execution.stage == "corpus":
            found |= _of_corpus(execution)
        params = dict(flat(execution.params))
        for section, what in _models(execution.stage, params):
            of = f"{section}_" if section in params else f"{section}."  # base.adapter, base.processor; base.model
            name, revision = params.get(section) or params[f"{of}model"], params.get(f"{of}revision", "null")
            known = digests.get(name)
            identity = f"revision {revision}" if revision != "null" else f"sha256 {short(known)}" if known else ""
            lines = [Line(name)] + ([Line(identity, "digest")] if identity else [])
            facts = {"model": name, "revision": None if revision == "null" else revision, "sha256": known}
            node = Node(f"model {section}", "source", MODELS[section], tuple(lines), facts=facts)
            found.setdefault(section, (node, []))[1].append((execution.stage, what))
    return list(found.values())


def _models(stage: str, params: Mapping[str, str]) -> list[tuple[str, str]]:
    """The models from outside that a stage uses: the section that names each, and what for."""
    if stage == "transcribe" and "transcribe.model" in params and params.get("transcribe.source") != "shipped":
        return [("transcribe", "model")]
    if stage == "base" and params.get("base.source") == "pretrained":
        beside = [("base.processor", "token ids"), ("base.adapter", "weights")]
        return [("base", "weights"), *(one for one in beside if params.get(one[0], "null") != "null")]
    if stage not in USES or "retriever.model" not in params:
        return []
    return [] if stage == "mine" and params.get("mine.source") != "dense" else [("retriever", USES[stage])]


def _digests(lineage: Lineage) -> dict[str, str | None]:
    """Digests of models by their name in params, where a stage recorded them."""
    found: dict[str, str | None] = {}
    try:
        if "transcribe" in lineage.executions:
            heard = read_json(lineage.need(transcripts.FOLDER / models.MODEL))
            found[heard["model"]] = heard["digest"]
        if "evaluate" in lineage.executions:
            retriever = read_json(lineage.need(scores.FOLDER / scores.METRICS)).get("retriever") or {}
            found[str(retriever.get("model"))] = retriever.get("digest")
    except (UserError, ValueError, KeyError):
        return found  # a name without its digest is what the picture then shows
    return found


def _of_corpus(corpus: Execution) -> dict[str, Source]:
    params = dict(flat(corpus.params))
    said = ": ".join(params[key] for key in ("corpus.source", "corpus.path") if key in params)
    place = [Line(said)] if said else []
    facts = {"source": params.get("corpus.source"), "path": params.get("corpus.path")}
    videos = {"videos": corpus.counts.get("videos", 0)}
    asked = {
        name: sum(count for key, count in corpus.counts.items() if key.endswith(f"_{name}"))
        for name in ("queries", "judgments")
    }

    def node(key: str, title: str, counts: dict[str, int]) -> Node:
        lines = (*place, Line(counted(counts) or "none known"))
        return Node(key, "source", title, lines, facts=facts | counts)

    return {
        "videos": (node("videos", "videos", videos), [("corpus", "sha256 of each")]),
        "queries": (node("queries", "queries and judgments", asked), [("corpus", "texts, relevance")]),
    }
