"""Boxes of the item-level graph: a video and what was made of it, a query, the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.audit.ancestry import Ancestry
from tasks.audit.trace.trace import ROLES
from tasks.lineage.dvc import stale_stages
from tasks.lineage.items import VideoLineage
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.picture.graph import Edge, Graph, Line, Mark, Node, counted, digests, short, whole
from tasks.lineage.picture.stages import Marks, marks_of
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.scores import HEADLINE

QRELS = "results/corpus/qrels.test.trec"
WORDS, MEDIA, SPEECH = ("video", "title, description, caption"), ("media", "frames, audio"), ("transcript", "text")
STEPS = 4  # of training, named one by one
Read = tuple[str, str] | tuple[str, str, bool]  # of which node, what it is called, whether it is another than is there


def state_of(lineage: Lineage, names: Sequence[str]) -> tuple[Marks, str]:
    """What does not hold of some stages, makers before readers, and sentences on the state."""
    stale, problem = stale_stages(lineage.root) if lineage.objects is None else ({}, None)
    marks = marks_of(lineage, names, stale)
    at = f" at commit {short(lineage.commit)}" if lineage.commit else ""
    changed = f", {len(lineage.dirty)} tracked files changed since" if lineage.dirty else ""
    sentences = [f"State: {lineage.name}{at}{changed}."]
    if problem or not marks:
        sentences.append(problem or f"Nothing {'here is stale or' if lineage.objects is None else 'is'} broken.")
    return marks, " ".join(sentences)


class Drawing:
    """Nodes and edges of a graph as they are found, with the digests, runs and marks of the stages that made them."""

    def __init__(self, lineage: Lineage, above: Ancestry) -> None:
        self.lineage, self.runs = lineage, above.runs
        self.stages = {one.stage: one for one in above.executions}
        self.marks, state = state_of(lineage, lineage.upstream(*self.stages))
        self.about = " ".join([state, *(note.rstrip(".") + "." for note in above.notes)])
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def graph(self, title: str) -> Graph:
        """All that was found."""
        return Graph(f"Lineage of {title}", self.about, tuple(self.nodes), tuple(self.edges))

    def add(self, node: Node, *reads: Read) -> None:
        """A node and what it takes."""
        self.nodes.append(node)
        self.edges += [Edge(maker, node.key, (label,), any(wrong)) for maker, label, *wrong in reads]

    def made(
        self, key: str, stage: str, title: str, lines: Iterable[Line], facts: dict[str, Any], *reads: Read
    ) -> None:
        """What a stage made, and what it took for that."""
        mark, why = self.marks.get(stage, (None, ()))
        by, runs = self.stages.get(stage), [run.run_id for run in self.runs.get(stage, ())]
        facts |= {"stage": stage, "manifest": by.digest if by else None, "runs": runs}
        last = digests(f"{stage} manifest {short(by.digest)}" if by else f"{stage}: no manifest")
        last += digests(*(f"MLflow {run_id}" for run_id in runs[-1:]))
        self.add(Node(key, "item", title, (*lines, *last), mark, why, facts=facts), *reads)

    def beside(self, node: Node, reader: str, label: str) -> None:
        """A source and its reader, which may come later."""
        self.nodes.append(node)
        self.edges.append(Edge(node.key, reader, (label,)))

    def score(self, value: float, says: str, judged: str, facts: dict[str, Any], read: str) -> None:
        """What a query scores, and the judgments it is measured by."""
        digest = self.stages["corpus"].digest_of(QRELS) if "corpus" in self.stages else None
        lines = (Line(judged), *digests(f"{Path(QRELS).name} {short(digest)}"))
        self.beside(Node("judgments", "source", "judgments", lines, facts={QRELS: digest}), "score", "relevance")
        lines = (Line(f"{value:.3f}", "figure"), Line(says, most=2))
        mark: Mark | None = "follows" if FINAL in self.marks else None
        self.add(Node("score", "score", f"{HEADLINE} of the query", lines, mark, facts=facts), ("rank", read))

    def video(self, found: VideoLineage, *, other: AbstractSet[tuple[str, str]]) -> None:
        """A video's file and all that was made of it; `other` has stages and what of theirs is of something else."""
        video, media, said, document = found.video, found.media, found.said, found.document
        stages = {stage for stage, _ in other}
        seconds = f"{video.duration:.1f} s" if video.duration else None
        about = " · ".join(one for one in (video.split, video.language, video.video_type, seconds) if one)
        lines = [Line(title) for title in [video.title or video.caption] if title]
        lines += [Line(video.path), *digests(f"sha256 {short(video.sha256)}"), Line(about)]
        self.made("video", "corpus", f"video {video.video_id}", lines, asdict(video))
        reasons = [f"{one.step} failed: {one.error}: {one.message}" for one in found.failures]
        title, facts = "not extracted", dict[str, Any]()
        lines = [Line(one, most=2) for one in reasons or ["it has no row in media.parquet"]]
        if media:
            title, facts = "frames and sound", asdict(media)
            frames = f"{len(media.times)} frames  {short(media.frames_sha256)}" if media.frames else "no picture"
            sound = f"audio {media.audio_seconds:.1f} s  {short(media.audio_sha256)}" if media.audio else "no sound"
            lines = digests(frames, sound)
        self.made("media", "extract", title, lines, facts, ("video", "file", "extract" in stages))
        title, facts, lines = "no transcript", {}, [Line("nothing to hear, or not extracted")]
        if said:
            title, facts = "transcript", asdict(said)
            heard = f"{len(said.text.split())} words, heard as {said.language}" if said.text else "no speech found"
            quoted = [f"“{said.text}”"] * bool(said.text) + [f"on screen: “{said.ocr}”"] * bool(said.ocr)
            lines = [Line(heard), *(Line(text, most=2) for text in quoted), *digests(f"text {short(said.sha256)}")]
        self.made("transcript", "transcribe", title, lines, facts, ("media", "audio", "transcribe" in stages))
        if document:
            has = " + ".join(document.modalities) or "nothing"
            parts = {name: getattr(document, f"{name}_sha256") for name in ("document", "frames", "audio")}
            lines = [Line(f"{has} · {document.text_tokens} tokens · {document.frames} frames")]
            lines += digests(*(f"{name} {short(digest)}" for name, digest in parts.items() if digest))
            seen = media is None or bool({("encode", "frames"), ("encode", "audio")} & other)
            reads = (WORDS, (*MEDIA, seen), (*SPEECH, ("encode", "transcript") in other))
            self.made("document", "encode", "document", lines, asdict(document), *reads)

    def checkpoint(self, *beside: tuple[Node, str], says: str = "", reads: Sequence[Read] = ()) -> None:
        """The weights that encoded the query and the videos, with their base and what training showed."""
        base, train = self.stages.get("base"), self.stages.get("train")
        params = base.params.get("base", {}) if base else {}
        model = str(params.get("model") or f"{params.get('source', 'not known')}, made here")
        digest, (mark, _) = base.digest if base else None, self.marks.get("base", (None, ()))
        lines = [Line(model), *digests(f"base {short(digest)}")]
        start = Node("base", "source", "base model", tuple(lines), mark, facts={"manifest": digest})
        for node, label in ((start, "weights"), *beside):
            self.beside(node, "checkpoint", label)
        weights = train.weights if train else {}
        lines = [Line("nothing was trained: the base as it is")]
        if train and weights:
            lines = digests(*(f"{path.rpartition('/')[2]} {short(digest)}" for path, digest in weights.items()))
            lines.append(Line(f"trained on {counted(train.counts)}", most=2))
        lines += [Line(says, most=3)] if says else []
        facts = {"weights": weights, "params": train.params.get("train") if train else None}
        name = "base" if not weights and "base" in self.stages else "train"
        self.made("checkpoint", name, "checkpoint", lines, facts, *reads)


def query_box(query: Query, key: str = "query", role: str = "query") -> Node:
    """A query."""
    about = " · ".join(one for one in (query.language, query.type, query.split) if one)
    lines = (Line(query.text, most=2), *digests(query.query_id), *([Line(about)] if about else []))
    return Node(key, "source", role, lines, facts=asdict(query))


def video_box(found: VideoLineage) -> Node:
    """A video, short, with the digests of what was made of it."""
    video, document = found.video, found.document
    lines = digests(video.video_id, f"video {short(video.sha256)}")
    if document:
        lines += digests(f"document {short(document.document_sha256)}", f"vector {short(document.vector_sha256)}")
    facts = {"video": asdict(video), "document": asdict(document) if document else None}
    title = video.title or video.caption or "no title"
    return Node(f"video {video.video_id}", "source", title, tuple(lines), facts=facts)


def more_box(rest: int, what: str) -> Node:
    """What a long list leaves out."""
    return Node(f"more {what}", "source", f"and {whole(rest)} more", (Line(what),))


def shown_as(exposure: Exposure) -> str:
    """In which role training showed a video, and when."""
    steps = sorted(set(exposure.steps))
    named = ", ".join(map(str, steps[:STEPS])) + (f" + {len(steps) - STEPS}" if len(steps) > STEPS else "")
    return f"{ROLES[exposure.role]}, step{'s' if len(steps) > 1 else ''} {named}"


def role_counts(exposures: Sequence[Exposure]) -> str:
    """How many of each role."""
    roles = Counter(one.role for one in exposures)
    return ", ".join(f"{roles[role]} {ROLES[role]}" for role in ROLES if roles[role])
