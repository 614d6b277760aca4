"""The lineage of a score, stage by stage, from what the stages' manifests record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.picture.graph import Edge, Graph, Line, Mark, Node
from tasks.shared.artifacts import exposures, media, models, negatives, transcripts
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.scores import METRICS
from tasks.shared.artifacts.types import RESULTS

SHORT = 12  # hex digits of a digest in a picture
WHOLE = {  # what a reader of a stage's whole folder is after
    "extract": (media.TABLE, "frames/", "audio/"),
    "transcribe": (transcripts.TABLE,),
    "mine": (negatives.FILE.name,),
    "base": (models.MODEL, "model/"),
    "train": (f"{models.ADAPTER}/", exposures.TABLE),
}
KEY_PARAMS = {  # of those that decide most, in the order shown
    "corpus": ("run.profile", "corpus.source", "run.seed"),
    "extract": ("extract.frames", "extract.size", "extract.format"),
    "transcribe": ("transcribe.source", "transcribe.ocr", "transcribe.language", "transcribe.beam_size"),
    "mine": ("mine.source", "mine.modalities", "mine.depth", "mine.keep", "mine.relative_margin"),
    "base": ("base.source",),
    "train": (
        "train.modalities", "train.epochs", "train.batch_size", "train.learning_rate", "train.temperature",
        "train.lora_r", "train.negatives", "document.train_text", "run.seed",
    ),
    "encode": ("encode.modalities", "encode.dtype", "document.test_text", "document.max_text_tokens"),
    "evaluate": ("evaluate.depth", "evaluate.bootstrap", "evaluate.permutations"),
    "report": ("report.sample_queries", "report.results"),
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """A stage as its manifest tells it; of one that is not to be had, what dvc.yaml says it reads.

    Attributes:
        manifest: sha256 of the manifest; None where it is not to be had.
        reads: sha256 by path of what it read; None where unknown.
        made: paths of its outputs, folders of many files by their own path with a slash.
        extra: more for its box, line by line; facts: the same for programs.
    """

    name: str
    manifest: str | None
    params: Mapping[str, Any]
    counts: Mapping[str, int]
    reads: Mapping[str, str | None]
    made: Collection[str]
    code: str | None = None
    extra: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Marked:
    """What does not hold: the mark and its reasons by stage, and the inputs (reader, path) that are not as made."""

    stages: Mapping[str, tuple[Mark, tuple[str, ...]]]
    inputs: frozenset[tuple[str, str]] = frozenset()


def stage_graph(
    stages: Sequence[Recorded],
    score: Node | None,
    marked: Marked,
    *,
    title: str,
    about: str,
    legend: Mapping[Mark, str],
    digests: Mapping[str, str | None],
    link: str | None = None,
    brief: bool = False,
) -> Graph:
    """The graph of stages that are in order, makers before readers; the last one makes the score.

    Args:
        score: the number at the end; None where the lineage is a stage's.
        digests: of the models from outside, by their name in params, where one is recorded.
        link: address of a stage's details, with `{}` for its name.
        brief: leave params out of the boxes.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    for stage in stages:
        for source, readers in sources_of(stages, digests):
            if readers[0][0] == stage.name:
                nodes.append(source)
                edges += [Edge(source.key, reader, (what,)) for reader, what in readers]
        nodes.append(_stage_node(stage, marked, link, brief=brief))
        edges += _edges_into(stage, {one.name: one for one in stages}, marked)
    if score is not None:
        nodes.append(score)
        edges.append(Edge(stages[-1].name, score.key, (METRICS,)))
    return Graph(title, about, tuple(nodes), tuple(edges), dict(legend))


def flat(params: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Params as `section.key` and their value as params.yaml writes it."""
    if isinstance(params, Mapping):
        return [pair for key, value in params.items() for pair in flat(value, f"{prefix}.{key}" if prefix else key)]
    if isinstance(params, list):
        return [(prefix, ", ".join(str(one) for one in params))]
    if params is None or isinstance(params, bool):
        return [(prefix, {None: "null", True: "true", False: "false"}[params])]
    return [(prefix, str(params))]


def short(digest: str | None) -> str:
    """The first digits of a digest."""
    return digest[:SHORT] if digest else "not known"


def counted(counts: Mapping[str, int]) -> str:
    """Counts in words, those that are zero left out."""
    return " · ".join(f"{_whole(count)} {name.replace('_', ' ')}" for name, count in counts.items() if count)


def _whole(count: int) -> str:
    return f"{count:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def score_node(measure: str, system: str, value: float, interval: Sequence[float] | None, over: str) -> Node:
    """The number that a lineage is of."""
    lines = [Line(f"{value:.3f}", "figure")]
    if interval:
        lines.append(Line(f"95 % interval {interval[0]:.3f} to {interval[1]:.3f}"))
    facts = {"measure": measure, "system": system, "value": value, "interval": list(interval) if interval else None}
    return Node("score", "score", f"{measure} of {system}", (*lines, Line(over, most=2)), facts=facts)


def _stage_node(stage: Recorded, marked: Marked, link: str | None, *, brief: bool) -> Node:
    mark, why = marked.stages.get(stage.name, (None, ()))
    lines = [Line(f"manifest {short(stage.manifest)}", "digest")]
    if not brief:
        lines += [Line(text, "digest") for text in stage.extra]
    if numbers := counted(stage.counts):
        lines.append(Line(numbers, most=3))
    params = dict(flat(stage.params))
    keys = [key for key in KEY_PARAMS.get(stage.name, ()) if key in params]
    if keys and not brief:
        said = " · ".join(f"{key.removeprefix(stage.name + '.')} {params[key]}" for key in keys)
        lines.append(Line(said, most=3))
    return Node(
        key=stage.name,
        kind="stage",
        title=stage.name,
        lines=tuple(lines),
        mark=mark,
        why=why,
        link=link.format(stage.name) if link else None,
        facts={
            "manifest": stage.manifest,
            "code": stage.code,
            "counts": dict(stage.counts),
            "params": dict(stage.params),
            "inputs": dict(stage.reads),
            **stage.facts,
        },
    )


def _edges_into(stage: Recorded, stages: Mapping[str, Recorded], marked: Marked) -> list[Edge]:
    """What a stage reads of the stages before it; an edge a maker, with the names of what was read."""
    read: dict[str, list[str]] = {}
    for path in stage.reads:
        place = PurePosixPath(path)
        if RESULTS in place.parents and place.parts[1] in stages:
            read.setdefault(place.parts[1], []).append(path)
    return [
        Edge(
            maker,
            stage.name,
            tuple(artifacts(stages[maker], read[maker])),
            broken=any((stage.name, path) in marked.inputs for path in read[maker]),
        )
        for maker in stages
        if maker in read
    ]


def artifacts(maker: Recorded, paths: Iterable[str]) -> list[str]:
    """Names of what was read of a stage; where its whole folder was, those of its main files."""
    found: list[str] = []
    for path in paths:
        parts = PurePosixPath(path).parts[2:]
        if not parts or parts == (MANIFEST,):
            there = [name for name in WHOLE.get(maker.name, ()) if _there(maker, name)]
            found += there or [f"all of {maker.name}"]
        else:
            found.append(parts[0] + ("/" if len(parts) > 1 else ""))
    return list(dict.fromkeys(found))


def _there(maker: Recorded, name: str) -> bool:
    prefix = f"{RESULTS.name}/{maker.name}/{name}"
    return any(path == prefix or (name.endswith("/") and path.startswith(prefix)) for path in maker.made)


def sources_of(
    stages: Sequence[Recorded], digests: Mapping[str, str | None]
) -> list[tuple[Node, list[tuple[str, str]]]]:
    """What comes from outside, with the stages that read it and what for."""
    by_name = {stage.name: stage for stage in stages}
    found: list[tuple[Node, list[tuple[str, str]]]] = []
    if "corpus" in by_name:
        found += _corpus_sources(by_name["corpus"])
    used: dict[str, tuple[Node, list[tuple[str, str]]]] = {}
    for stage in stages:
        params = dict(flat(stage.params))
        for section, what in _models(stage.name, params):
            if section in params:  # base.adapter, base.processor
                name, revision = params[section], params.get(f"{section}_revision", "null")
            else:
                name, revision = params[f"{section}.model"], params.get(f"{section}.revision", "null")
            known = digests.get(name)
            identity = f"revision {revision}" if revision != "null" else f"sha256 {short(known)}" if known else ""
            lines = [Line(name)] + ([Line(identity, "digest")] if identity else [])
            facts = {"model": name, "revision": None if revision == "null" else revision, "sha256": known}
            node = Node(f"model {section}", "source", MODELS[section], tuple(lines), facts=facts)
            used.setdefault(section, (node, []))[1].append((stage.name, what))
    return [*found, *used.values()]


MODELS = {
    "transcribe": "speech recogniser",
    "retriever": "text retriever",
    "base": "base model",
    "base.processor": "tokenizer",
    "base.adapter": "adapter",
}


def _models(stage: str, params: Mapping[str, str]) -> list[tuple[str, str]]:
    """The models from outside that a stage uses: the section that names each, and what for."""
    if stage == "transcribe" and "transcribe.model" in params and params.get("transcribe.source") != "shipped":
        return [("transcribe", "model")]
    if stage == "base" and params.get("base.source") == "pretrained":
        beside = [("base.processor", "token ids"), ("base.adapter", "weights")]
        return [("base", "weights"), *(one for one in beside if params.get(one[0], "null") != "null")]
    uses = {"mine": "dense candidates", "base": "teacher", "evaluate": "dense baseline"}
    if stage not in uses or "retriever.model" not in params:
        return []
    return [] if stage == "mine" and params.get("mine.source") != "dense" else [("retriever", uses[stage])]


def _corpus_sources(corpus: Recorded) -> list[tuple[Node, list[tuple[str, str]]]]:
    params = dict(flat(corpus.params))
    said = ": ".join(params[key] for key in ("corpus.source", "corpus.path") if key in params)
    place = [Line(said)] if said else []
    videos = {"videos": corpus.counts.get("videos", 0)}
    asked = {
        name: sum(count for key, count in corpus.counts.items() if key.endswith(f"_{name}"))
        for name in ("queries", "judgments")
    }
    facts = {"source": params.get("corpus.source"), "path": params.get("corpus.path")}
    return [
        (
            Node("videos", "source", "videos", (*place, Line(counted(videos) or "not known")), facts=facts | videos),
            [("corpus", "sha256 of each")],
        ),
        (
            Node(
                "queries",
                "source",
                "queries and judgments",
                (*place, Line(counted(asked) or "none known")),
                facts=facts | asked,
            ),
            [("corpus", "texts, relevance")],
        ),
    ]
