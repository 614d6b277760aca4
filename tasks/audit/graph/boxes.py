"""Boxes of the item-level graph: a video and what was made of it, a query, the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tasks.audit.ancestry import Ancestry
from tasks.audit.graph.stages import state_of
from tasks.audit.trace.trace import ROLES
from tasks.lineage.items import VideoLineage
from tasks.lineage.lineage import FINAL, Lineage
from tasks.lineage.picture.graph import Edge, Graph, Line, Node, counted, digests, short, whole
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.indexed import IndexedDocument
from tasks.shared.artifacts.scores import HEADLINE

STEPS = 4  # of training, named one by one
Read = tuple[str, str] | tuple[str, str, bool]  # of which node, what it is called, whether it is another than is there


class Drawing:
    """Nodes and edges of a graph as they are found, with the digests, runs and marks of the stages that made them."""

    def __init__(self, lineage: Lineage, above: Ancestry) -> None:
        self.lineage, self.runs = lineage, above.runs
        self.stages = {one.stage: one for one in above.executions}
        self.marks, state = state_of(lineage, lineage.upstream(*self.stages))
        self.about = " ".join([state, *(note.rstrip(".") + "." for note in above.notes)])
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []

    def add(self, node: Node, *reads: Read) -> None:
        """A node and what it takes."""
        self.nodes.append(node)
        self.edges += [Edge(maker, node.key, (label,), any(wrong)) for maker, label, *wrong in reads]

    def beside(self, node: Node, reader: str, label: str) -> None:
        """A source and its reader, which may come later."""
        self.nodes.append(node)
        self.edges.append(Edge(node.key, reader, (label,)))

    def graph(self, title: str) -> Graph:
        """The whole."""
        return Graph(f"Lineage of {title}", self.about, tuple(self.nodes), tuple(self.edges))

    def box(self, key: str, stage: str, title: str, lines: Iterable[Line], facts: Mapping[str, Any]) -> Node:
        """What a stage made."""
        mark, why = self.marks.get(stage, (None, ()))
        by, runs = self.stages.get(stage), [run.run_id for run in self.runs.get(stage, ())]
        origin = {"stage": stage, "manifest": by.digest if by else None, "runs": runs}
        last = digests(f"{stage} manifest {short(by.digest)}" if by else f"{stage}: no manifest")
        last += digests(*(f"MLflow {run_id}" for run_id in runs[-1:]))
        return Node(key, "item", title, (*lines, *last), mark, why, facts={**facts, **origin})

    def score(self, value: float, says: str, facts: dict[str, Any]) -> Node:
        """What a query scores."""
        lines = (Line(f"{value:.3f}", "figure"), Line(says, most=2))
        mark = "follows" if FINAL in self.marks else None
        return Node("score", "score", f"{HEADLINE} of the query", lines, mark, facts=facts)

    def video(self, found: VideoLineage) -> Node:
        """The video's file."""
        video = found.video
        seconds = f"{video.duration:.1f} s" if video.duration else None
        about = " · ".join(one for one in (video.split, video.language, video.video_type, seconds) if one)
        lines = [Line(title) for title in [video.title or video.caption] if title]
        lines += [Line(video.path), Line(f"sha256 {short(video.sha256)}", "digest"), Line(about)]
        return self.box("video", "corpus", f"video {video.video_id}", lines, asdict(video))

    def media(self, found: VideoLineage) -> Node:
        """Its frames and sound, or why there are none."""
        made = found.media
        if made is None:
            reasons = [f"{one.step} failed: {one.error}: {one.message}" for one in found.failures]
            why = [Line(one, most=2) for one in reasons or ["it has no row in media.parquet"]]
            return self.box("media", "extract", "not extracted", why, {})
        frames = f"{len(made.times)} frames  {short(made.frames_sha256)}" if made.frames else "no picture"
        sound = f"audio {made.audio_seconds:.1f} s  {short(made.audio_sha256)}" if made.audio else "no sound"
        return self.box("media", "extract", "frames and sound", digests(frames, sound), asdict(made))

    def transcript(self, found: VideoLineage) -> Node:
        """What was heard."""
        said = found.said
        if said is None:
            none = Line("nothing to hear, or not extracted")
            return self.box("transcript", "transcribe", "no transcript", [none], {})
        lines = [Line("no speech found")]
        if said.text:
            lines = [Line(f"{len(said.text.split())} words, heard as {said.language}"), Line(f"“{said.text}”", most=2)]
        lines += [Line(f"on screen: “{said.ocr}”", most=2)] if said.ocr else []
        lines += digests(f"text {short(said.sha256)}")
        return self.box("transcript", "transcribe", "transcript", lines, asdict(said))

    def document(self, document: IndexedDocument) -> Node:
        """What the model read."""
        has = " + ".join(document.modalities) or "nothing"
        parts = {"document": document.document_sha256, "frames": document.frames_sha256, "audio": document.audio_sha256}
        lines = [Line(f"{has} · {document.text_tokens} tokens · {document.frames} frames")]
        lines += digests(*(f"{name} {short(digest)}" for name, digest in parts.items() if digest))
        return self.box("document", "encode", "document", lines, asdict(document))

    def vector(self, document: IndexedDocument) -> Node:
        """Its row of the index."""
        facts = {"vector_sha256": document.vector_sha256, "payload_sha256": document.payload_sha256}
        lines = digests(f"vector {short(document.vector_sha256)}", f"payload {short(document.payload_sha256)}")
        return self.box("vector", "encode", "row of the index", lines, facts)

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
        outputs = train.generated if train else {}
        weights = {path: one.sha256 for path, one in sorted(outputs.items()) if path.endswith(".safetensors")}
        lines = [Line("nothing was trained: the base as it is")]
        if train and weights:
            lines = digests(*(f"{path.rpartition('/')[2]} {short(digest)}" for path, digest in weights.items()))
            lines.append(Line(f"trained on {counted(train.counts)}", most=2))
        lines += [Line(says, most=3)] if says else []
        facts = {"weights": weights, "params": train.params.get("train") if train else None}
        name = "base" if not weights and "base" in self.stages else "train"
        self.add(self.box("checkpoint", name, "checkpoint", lines, facts), *reads)


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
