"""Boxes of the item-level graph: a video and what was made of it, a query, the checkpoint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from tasks.audit.ancestry import Ancestry
from tasks.audit.graph.stages import Marks
from tasks.lineage.items import VideoLineage
from tasks.lineage.picture.graph import Line, Node, counted, short, whole
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.exposures import Exposure, Role
from tasks.shared.artifacts.indexed import IndexedDocument

ROLES: dict[Role, str] = {"positive": "positive", "mined": "mined negative", "drawn": "random negative"}
STEPS = 4  # of training, named one by one


class Made:
    """Boxes of what the stages of an ancestry made, each with its stage's digest, run and mark."""

    def __init__(self, above: Ancestry, marks: Marks) -> None:
        self.stages = {one.stage: one for one in above.executions}
        self.runs = above.runs
        self.marks = marks

    def box(self, key: str, stage: str, title: str, lines: Sequence[Line], facts: Mapping[str, Any]) -> Node:
        """What a stage made."""
        mark, why = self.marks.get(stage, (None, ()))
        by = self.stages.get(stage)
        runs = [run.run_id for run in self.runs.get(stage, [])]
        last = [Line(f"{stage} manifest {short(by.digest)}" if by else f"{stage}: no manifest", "digest")]
        if runs:
            last.append(Line(f"MLflow {runs[-1]}", "digest"))
        origin = {"stage": stage, "manifest": by.digest if by else None, "runs": runs}
        return Node(key, "item", title, (*lines, *last), mark, why, facts={**facts, **origin})

    def video(self, lineage: VideoLineage) -> Node:
        """The video's file."""
        video = lineage.video
        lines = [
            Line(title) for title in [video.title or video.caption] if title
        ] + [Line(video.path), Line(f"sha256 {short(video.sha256)}", "digest")]  # fmt: skip
        about = [video.split, video.language, video.video_type, f"{video.duration:.1f} s" if video.duration else None]
        lines.append(Line(" · ".join(one for one in about if one)))
        return self.box("video", "corpus", f"video {video.video_id}", lines, asdict(video))

    def media(self, lineage: VideoLineage) -> Node:
        """Its frames and sound, or why there are none."""
        media = lineage.media
        if media is None:
            reasons = [f"{one.step} failed: {one.error}: {one.message}" for one in lineage.failures]
            why = reasons or ["it has no row in media.parquet"]
            return self.box("media", "extract", "not extracted", [Line(one, most=2) for one in why], {})
        frames = f"{len(media.times)} frames  {short(media.frames_sha256)}" if media.frames else "no picture"
        sound = f"audio {media.audio_seconds:.1f} s  {short(media.audio_sha256)}" if media.audio else "no sound"
        lines = [Line(frames, "digest"), Line(sound, "digest")]
        facts = {
            name: getattr(media, name) for name in ("frames", "frames_sha256", "audio", "audio_sha256", "audio_seconds")
        }
        return self.box("media", "extract", "frames and sound", lines, facts | {"times": media.times})

    def transcript(self, lineage: VideoLineage) -> Node:
        """What was heard."""
        said = lineage.said
        if said is None:
            return self.box(
                "transcript", "transcribe", "no transcript", [Line("nothing to hear, or not extracted")], {}
            )
        words = len(said.text.split())
        heard = f"{words} words, heard as {said.language}" if said.text else "no speech found"
        lines = [Line(heard), *([Line(f"“{said.text}”", most=2)] if said.text else [])]
        if said.ocr:
            lines.append(Line(f"on screen: “{said.ocr}”", most=2))
        lines.append(Line(f"text {short(said.sha256)}", "digest"))
        return self.box("transcript", "transcribe", "transcript", lines, asdict(said))

    def document(self, document: IndexedDocument) -> Node:
        """What the model read."""
        has = " + ".join(document.modalities) or "nothing"
        lines = [
            Line(f"{has} · {document.text_tokens} tokens · {document.frames} frames"),
            Line(f"document {short(document.document_sha256)}", "digest"),
            Line(f"frames {short(document.frames_sha256)}", "digest") if document.frames_sha256 else None,
            Line(f"audio {short(document.audio_sha256)}", "digest") if document.audio_sha256 else None,
        ]
        return self.box("document", "encode", "document", [line for line in lines if line], asdict(document))

    def vector(self, document: IndexedDocument) -> Node:
        """Its row of the index."""
        lines = [
            Line(f"vector {short(document.vector_sha256)}", "digest"),
            Line(f"payload {short(document.payload_sha256)}", "digest"),
        ]
        facts = {"vector_sha256": document.vector_sha256, "payload_sha256": document.payload_sha256}
        return self.box("vector", "encode", "row of the index", lines, facts)

    def checkpoint(self, more: Sequence[Line] = ()) -> Node:
        """The weights that encoded the query and the videos."""
        train, base = self.stages.get("train"), self.stages.get("base")
        outputs = train.generated if train else {}
        weights = {path: one.sha256 for path, one in sorted(outputs.items()) if path.endswith(".safetensors")}
        stage = train if weights else base
        if train and weights:
            lines = [Line(f"{path.rpartition('/')[2]} {short(digest)}", "digest") for path, digest in weights.items()]
            lines.append(Line(f"trained on {counted(train.counts)}", most=2))
        else:
            lines = [Line("nothing was trained: the base as it is")]
        name = stage.stage if stage else "train"
        facts = {"weights": weights, "params": train.params.get("train") if train else None}
        return self.box("checkpoint", name, "checkpoint", [*lines, *more], facts)

    def base(self) -> Node:
        """The model that training started from."""
        base = self.stages.get("base")
        params = base.params.get("base", {}) if base else {}
        said = str(params.get("model") or f"{params.get('source', 'not known')}, made here")
        lines = (Line(said), Line(f"base {short(base.digest if base else None)}", "digest"))
        mark, _ = self.marks.get("base", (None, ()))
        return Node("base", "source", "base model", lines, mark, facts={"manifest": base.digest if base else None})


def query_box(query: Query, key: str = "query", role: str = "query") -> Node:
    """A query."""
    about = " · ".join(one for one in (query.language, query.type, query.split) if one)
    lines = (Line(query.text, most=2), Line(query.query_id, "digest"), *([Line(about)] if about else []))
    return Node(key, "source", role, lines, facts=asdict(query))


def video_box(lineage: VideoLineage) -> Node:
    """A video, short, with the digests of what was made of it."""
    video, document = lineage.video, lineage.document
    lines = [Line(video.video_id, "digest"), Line(f"video {short(video.sha256)}", "digest")]
    if document:
        lines.append(Line(f"document {short(document.document_sha256)}", "digest"))
        lines.append(Line(f"vector {short(document.vector_sha256)}", "digest"))
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
