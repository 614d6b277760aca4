"""A lineage as a graph of its stages, and the models and data from outside that they used."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
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
class Marked:
    """What does not hold: the mark and its reasons by stage, and the inputs (reader, path) that are not as made."""

    stages: Mapping[str, tuple[Mark, tuple[str, ...]]]
    inputs: frozenset[tuple[str, str]] = frozenset()


def stage_graph(
    lineage: Lineage,
    names: Sequence[str],
    score: Node | None,
    marked: Marked,
    *,
    title: str,
    about: str,
    legend: Mapping[Mark, str],
    digests: Mapping[str, str | None],
    runs: Mapping[str, Sequence[Run]] | None = None,
    link: str | None = None,
    brief: bool = False,
) -> Graph:
    """The graph of stages that are in order, makers before readers; the last one makes the score.

    A stage whose manifest is not to be had is drawn with what dvc.yaml says that it reads.

    Args:
        names: of the stages.
        score: the number at the end; None where the lineage is a stage's.
        digests: of the models from outside, by their name in params, where one is recorded.
        runs: MLflow's, by stage, where the picture is to name them.
        link: address of a stage's details, with `{}` for its name.
        brief: leave params out of the boxes.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    sources = sources_of([lineage.executions[name] for name in names if name in lineage.executions], digests)
    for name in names:
        for source, readers in sources:
            if readers[0][0] == name:
                nodes.append(source)
                edges += [Edge(source.key, reader, (what,)) for reader, what in readers]
        nodes.append(_stage_node(lineage, name, marked, runs, link, brief=brief))
        edges += _edges_into(lineage, name, names, marked)
    if score is not None:
        nodes.append(score)
        edges.append(Edge(names[-1], score.key, (METRICS,)))
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


def _stage_node(
    lineage: Lineage,
    name: str,
    marked: Marked,
    runs: Mapping[str, Sequence[Run]] | None,
    link: str | None,
    *,
    brief: bool,
) -> Node:
    mark, why = marked.stages.get(name, (None, ()))
    facts: dict[str, Any] = {"manifest": None, "inputs": dict.fromkeys(_reads(lineage, name))}
    lines = [Line(f"manifest {short(None)}", "digest")]
    if execution := lineage.executions.get(name):
        run_ids = [run.run_id for run in (runs or {}).get(name, ())]
        lines = _lines(execution, run_ids, brief=brief)
        facts = {
            "manifest": execution.digest,
            "code": execution.code_digest,
            "counts": execution.counts,
            "params": execution.params,
            "inputs": {path: one.sha256 for path, one in execution.used.items()},
            "runs": run_ids,
            "dvc": lineage.outs_of(name),
            "outputs": {path: one.sha256 for path, one in execution.generated.items()},
            "components": execution.components,
        }
    address = link.format(name) if link else None
    return Node(name, "stage", name, tuple(lines), mark=mark, why=why, link=address, facts=facts)


def _lines(execution: Execution, run_ids: Sequence[str], *, brief: bool) -> list[Line]:
    name, params = execution.stage, dict(flat(execution.params))
    lines = [Line(f"manifest {short(execution.digest)}", "digest")]
    if not brief:
        lines.append(Line(f"code {short(execution.code_digest)}", "digest"))
        lines += [Line(f"MLflow {run_ids[-1]}", "digest")] if run_ids else []
    if numbers := counted(execution.counts):
        lines.append(Line(numbers, most=3))
    keys = [key for key in KEY_PARAMS.get(name, ()) if key in params]
    if keys and not brief:
        said = " · ".join(f"{key.removeprefix(name + '.')} {params[key]}" for key in keys)
        lines.append(Line(said, most=3))
    return lines


def _reads(lineage: Lineage, name: str) -> list[str]:
    """Paths of what a stage read; of one that is not to be had, of what dvc.yaml says it reads."""
    if name in lineage.executions:
        return list(lineage.executions[name].used)
    return [path.as_posix() for path in lineage.stages[name].inputs]


def _edges_into(lineage: Lineage, name: str, names: Sequence[str], marked: Marked) -> list[Edge]:
    """What a stage reads of the stages before it; an edge a maker, with the names of what was read."""
    read: dict[str, list[str]] = {}
    for path in _reads(lineage, name):
        place = PurePosixPath(path)
        if RESULTS in place.parents:
            read.setdefault(place.parts[1], []).append(path)
    return [
        Edge(
            maker,
            name,
            tuple(artifacts(maker, lineage.executions.get(maker), read[maker])),
            broken=any((name, path) in marked.inputs for path in read[maker]),
        )
        for maker in names
        if maker in read
    ]


def artifacts(maker: str, execution: Execution | None, paths: Iterable[str]) -> list[str]:
    """Names of what was read of a stage; where its whole folder was, those of its main files."""
    made = [*execution.generated, *(f"{folder}/" for folder in execution.folders)] if execution else []
    found: list[str] = []
    for path in paths:
        parts = PurePosixPath(path).parts[2:]
        if not parts or parts == (MANIFEST,):
            there = [name for name in WHOLE.get(maker, ()) if _there(f"{RESULTS.name}/{maker}/{name}", made)]
            found += there or [f"all of {maker}"]
        else:
            found.append(parts[0] + ("/" if len(parts) > 1 else ""))
    return list(dict.fromkeys(found))


def _there(path: str, made: Iterable[str]) -> bool:
    return any(one == path or (path.endswith("/") and one.startswith(path)) for one in made)


def sources_of(
    stages: Sequence[Execution], digests: Mapping[str, str | None]
) -> list[tuple[Node, list[tuple[str, str]]]]:
    """What comes from outside, with the stages that read it and what for."""
    by_name = {stage.stage: stage for stage in stages}
    found: list[tuple[Node, list[tuple[str, str]]]] = []
    if "corpus" in by_name:
        found += _corpus_sources(by_name["corpus"])
    used: dict[str, tuple[Node, list[tuple[str, str]]]] = {}
    for stage in stages:
        params = dict(flat(stage.params))
        for section, what in _models(stage.stage, params):
            if section in params:  # base.adapter, base.processor
                name, revision = params[section], params.get(f"{section}_revision", "null")
            else:
                name, revision = params[f"{section}.model"], params.get(f"{section}.revision", "null")
            known = digests.get(name)
            identity = f"revision {revision}" if revision != "null" else f"sha256 {short(known)}" if known else ""
            lines = [Line(name)] + ([Line(identity, "digest")] if identity else [])
            facts = {"model": name, "revision": None if revision == "null" else revision, "sha256": known}
            node = Node(f"model {section}", "source", MODELS[section], tuple(lines), facts=facts)
            used.setdefault(section, (node, []))[1].append((stage.stage, what))
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


def _corpus_sources(corpus: Execution) -> list[tuple[Node, list[tuple[str, str]]]]:
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
