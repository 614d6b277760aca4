"""The page `lineage.html`: the lineage as a graph, every stage in full, and the ancestry of the results shown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.lineage.picture.graph import Graph, Mark
from tasks.lineage.picture.stages import Marked, flat, score_node, stage_graph
from tasks.report.evidence import Evidence
from tasks.report.provenance import index_facts
from tasks.report.samples import Sample, Shown
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.indexed import IndexedDocument, read_indexed
from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.artifacts.transcripts import Transcript

PAGE = "lineage.html"
LISTED = 12  # files of a stage that are named; of more, how many
LEGEND: dict[Mark, str] = {
    "broken": "what was read is not, byte for byte, what its maker has here: the two are not of one run",
}


@dataclass(frozen=True)
class Heard:
    """Words in numbers: the language that the recogniser heard, how many words it heard, how many are on screen."""

    language: str | None
    words: int
    on_screen: int


@dataclass(frozen=True)
class Ancestor:
    """A result with what was made of its video on the way.

    Attributes:
        media, heard, document: None where the video has none: not extracted, no sound, not in the index.
        trace: the command that shows all of it.
    """

    rank: int
    score: float
    relevant: bool
    shown: Shown
    media: Media | None
    heard: Heard | None
    document: IndexedDocument | None
    trace: str


@dataclass(frozen=True)
class Ancestry:
    """A sample query and its first results."""

    query: Query
    results: list[Ancestor]


def lineage_parts(evidence: Evidence, samples: list[Sample]) -> dict[str, Any]:
    """What the template of the page is filled with, beside the parts of the report."""
    return {
        "lineage": stage_lineage(evidence, "#stage-{}"),
        "stages": list(evidence.lineage.executions.values()),
        "flat": flat,
        "index_facts": index_facts(evidence),
        "most_outputs": LISTED,
        "ancestries": ancestries(evidence, samples),
    }


def stage_lineage(evidence: Evidence, link: str, *, brief: bool = False) -> Graph:
    """The stages that made the score, from their manifests; links go to a stage's details."""
    lineage = evidence.lineage
    broken = [one for one in lineage.links() if one.holds != "yes"]
    marks: dict[str, tuple[Mark, tuple[str, ...]]] = {}
    for one in broken:
        reasons = marks[one.reader][1] if one.reader in marks else ()
        marks[one.reader] = ("broken", (*reasons, f"read another {one.artifact.path}"))
    lead, scores = evidence.lead, evidence.scores
    number = None
    if lead is not None and lead in scores.systems:
        over = f"over {scores.queries} queries and {scores.videos} videos"
        number = score_node(HEADLINE, lead, scores.systems[lead][HEADLINE], scores.intervals[lead][HEADLINE], over)
    return stage_graph(
        lineage,
        list(lineage.executions),
        number,
        Marked(marks, frozenset((one.reader, one.artifact.path) for one in broken)),
        title="How the score came about" if number else "How the index came about",
        about="Every stage with the digest of its manifest, and what it read of the stages before it.",
        legend=LEGEND if broken else {},
        digests=_digests(evidence),
        link=link,
        brief=brief,
    )


def _digests(evidence: Evidence) -> dict[str, str | None]:
    retriever = evidence.scores.retriever or {}
    return {
        str(evidence.recogniser["model"]): evidence.recogniser["digest"],
        str(retriever.get("model")): retriever.get("digest"),
    }


def ancestries(evidence: Evidence, samples: list[Sample]) -> list[Ancestry]:
    """The results of the sample queries, each with what its row of the index was made of."""
    wanted = {result.shown.video.video_id for sample in samples for result in sample.results}
    documents = read_indexed(evidence.root / "encode", wanted)
    return [Ancestry(one.choice.query, _ancestors(evidence, one, documents)) for one in samples]


def _heard(one: Transcript) -> Heard:
    return Heard(one.language, len(one.text.split()), len((one.ocr or "").split()))


def _ancestors(evidence: Evidence, sample: Sample, documents: Mapping[str, IndexedDocument]) -> list[Ancestor]:
    found = []
    for result in sample.results:
        video_id = result.shown.video.video_id
        transcript = evidence.transcripts.get(video_id)
        found.append(
            Ancestor(
                result.rank,
                result.score,
                result.relevant,
                result.shown,
                evidence.media.get(video_id),
                _heard(transcript) if transcript else None,
                documents.get(video_id),
                f"reeltrace audit trace {shlex.quote(f'{sample.choice.query.query_id}:{video_id}')}",
            )
        )
    return found
