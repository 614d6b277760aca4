"""`reeltrace audit graph`: a number, a query's ranking or one video's rank in it, as Mermaid, DOT or SVG."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from tasks.audit.ancestry import ancestry
from tasks.audit.graph import boxes
from tasks.audit.graph.boxes import MEDIA, SPEECH, WORDS, Drawing, role_counts, state_of
from tasks.audit.text import as_json, put
from tasks.audit.trace.trace import PairTrace, QueryTrace, judgments_of, trace_pair, trace_query, trace_score
from tasks.lineage.items import video_lineages
from tasks.lineage.picture.formats import dot, mermaid, svg
from tasks.lineage.picture.graph import Graph, Line, Node, digests, short
from tasks.lineage.picture.stages import score_node, stage_graph
from tasks.lineage.score import QUERIES, Score, resolve
from tasks.shared.artifacts.corpus import read_queries
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.runtime.errors import UserError

FORMATS: dict[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}
ENDINGS = {".svg": "svg", ".dot": "dot", ".gv": "dot"}


def answer(chosen: argparse.Namespace) -> int:
    """Write the graph of the score that was named."""
    if chosen.json and chosen.format:
        raise UserError("--json has nodes and edges, --format a picture of them; name one of the two")
    graph, output = graph_of(resolve(chosen.score, chosen.rev)), chosen.output
    form = chosen.format or ENDINGS.get(output.suffix if output else "", "mermaid")
    text = as_json(graph) + "\n" if chosen.json else FORMATS[form](graph)
    if put(text, output):
        print(f"{output}: {len(graph.nodes)} nodes, {len(graph.edges)} edges")
    return 0


def graph_of(score: Score) -> Graph:
    """The lineage of a number, of a query's ranking, or of a video's rank in it."""
    if score.video_id is not None:
        return graph_of_pair(score)
    return graph_of_query(score) if score.query_id is not None else graph_of_score(score)


def graph_of_score(score: Score) -> Graph:
    """The stages that a number, or a stage's result, follows from. Raises UserError where there is no such number."""
    lineage = score.lineage
    traced = trace_score(score) if score.stage in lineage.executions else None
    names = lineage.upstream(score.stage)
    marks, about = state_of(lineage, names)
    if lineage.tracking.problem:
        about += f" {lineage.tracking.problem}."
    number, title = None, f"Lineage of {score.stage}"
    if traced and traced.system and traced.value is not None:
        over = f"over {traced.queries} queries and {traced.videos} videos"
        number = score_node(traced.measure, traced.system, traced.value, traced.interval, over)
        title = f"Lineage of {number.title} {number.lines[0].text}"
    runs = traced.ancestry.runs if traced else {}
    return stage_graph(lineage, names, number, marks, title=title, about=about, runs=runs)


MOST = 6  # videos or queries beside a box; the rest is counted


def graph_of_pair(score: Score) -> Graph:
    """Why a video has its rank: its file, frames, sound, words, document and row; the checkpoint; the query."""
    traced = trace_pair(score)
    lineage, document = traced.lineage, traced.lineage.document
    indexed = document is not None and traced.system is None  # of a training query the trace ends with training
    drawing = Drawing(score.lineage, ancestry(score.lineage, "encode") if indexed else traced.ancestry)
    other = {(Path(one.table).parts[1], one.made_from) for one in lineage.mismatches}
    drawing.video(lineage, other=other)
    first = {one.query_id: one for one in sorted(traced.shown or [], key=lambda x: (x.role != "positive", x.query_id))}
    texts = read_queries(drawing.lineage.need(QUERIES), query_ids=[*first][:MOST]) if first else []
    trained = {one.query_id: boxes.query_box(one, f"trained {one.query_id}", "training query") for one in texts}
    queries = _shown([*first.values()], lambda one: trained[one.query_id], "training queries")
    itself = [WORDS, MEDIA, SPEECH] if traced.shown and not document else []
    drawing.checkpoint(*queries, says=_training(traced), reads=itself)
    if document:
        wrong = bool({("encode", "document"), ("encode", "content"), ("encode", "vector")} & other)
        facts = {"vector_sha256": document.vector_sha256, "payload_sha256": document.payload_sha256}
        lines = digests(f"vector {short(document.vector_sha256)}", f"payload {short(document.payload_sha256)}")
        content, weights = ("document", "content", wrong), ("checkpoint", "weights")
        drawing.made("vector", "encode", "row of the index", lines, facts, content, weights)
    _rank(drawing, traced)
    return drawing.graph(f"{traced.query.query_id}:{lineage.video.video_id}")


def _shown(exposures: Sequence[Exposure], box: Callable[[Exposure], Node], what: str) -> list[tuple[Node, str]]:
    """The first of what training showed, in which role and when, and how many more there are."""
    found = [(box(one), boxes.shown_as(one)) for one in exposures[:MOST]]
    rest = exposures[MOST:]
    return [*found, (boxes.more_box(len(rest), what), role_counts(rest))] if rest else found


def _training(traced: PairTrace) -> str:
    video = traced.lineage.video
    if traced.shown is None:
        return "what training showed was not recorded, or nothing was trained"
    if not traced.shown:
        why = f": {traced.lineage.left_out}" if video.split == "train" and traced.lineage.left_out else ""
        return f"this video ({video.split} split) was not shown in training{why}"
    queries = len({one.query_id for one in traced.shown})
    others = sum(one.others for one in traced.shown)
    return f"this video was shown for {queries} queries: {role_counts(traced.shown)}; {others} times in-batch negative"


def _rank(drawing: Drawing, traced: PairTrace) -> None:
    """The end of a pair's graph: rank and score, or why there is none."""
    query, system, document = traced.query, traced.system, traced.lineage.document
    place = traced.places[system] if system else None
    if system is None or place is None or place.rank is None:
        why = traced.lineage.left_out or "its ranking lacks it"
        if query.split == "train":
            why = "nothing ranked videos for it: it is a training query"
        if traced.lineage.video.split == "train":
            why = "the index holds the test split, and this video is of the train split"
        drawing.beside(boxes.query_box(query), "none", "query")
        reads = [("vector", "not compared")] if document else []
        drawing.add(Node("none", "item", "not ranked", (Line(why, most=2),)), *reads)
        return
    if document is None:
        nothing = [Line("not recorded row by row here")]
        drawing.made("vector", "encode", "row of the index", nothing, {}, MEDIA, SPEECH, ("checkpoint", "weights"))
    lines = [Line(f"similarity {place.similarity:.6f}"), Line(f"of {place.ranked} videos in runs/{system}.trec")]
    others = [f"{name} {one.rank or 'none'}" for name, one in traced.places.items() if name != system]
    lines += [Line(f"rank by other systems: {', '.join(others)}", most=2)] if others else []
    facts = {"rank": place.rank, "similarity": place.similarity, "system": system}
    drawing.beside(boxes.query_box(query), "rank", "text")
    reads = [("vector", "inner product"), ("checkpoint", "query's vector")]
    drawing.made("rank", "evaluate", f"rank {place.rank} in {system}", lines, facts, *reads)
    if traced.ndcg is not None:
        judged = "not judged" if traced.relevance is None else f"relevance {traced.relevance}"
        adds = f"of which this video adds {traced.gain:.3f}" if traced.gain is not None else ""
        facts = {"value": traced.ndcg, "gain": traced.gain}
        drawing.score(traced.ndcg, adds, judged, facts, f"rank {place.rank}")


def graph_of_query(score: Score) -> Graph:
    """A query's ranking: its first videos, the checkpoint that encoded them; of a training query what it was shown."""
    traced = trace_query(score, MOST)
    drawing = Drawing(score.lineage, traced.ancestry)
    if traced.system is None:
        _training_query(drawing, traced)
    else:
        _ranking(drawing, traced, traced.system)
    return drawing.graph(traced.query.query_id)


def _training_query(drawing: Drawing, traced: QueryTrace) -> None:
    """A training query: the videos it was trained with."""
    shown = sorted(traced.shown or [], key=lambda one: (one.role != "positive", one.role != "mined", one.video_id))
    none = "no video was shown for it in training"
    if traced.query.split == "test":
        none = "a test query, for which nothing is ranked in this state"
    lineages = video_lineages(drawing.lineage, [one.video_id for one in shown[:MOST]])
    videos = _shown(shown, lambda one: boxes.video_box(lineages[one.video_id]), "videos")
    own = (boxes.query_box(traced.query), "trained on" if shown else "not trained on")
    drawing.checkpoint(own, *videos, says=role_counts(shown) or none)


def _ranking(drawing: Drawing, traced: QueryTrace, system: str) -> None:
    """A test query: what was ranked for it, and what that scores."""
    drawing.checkpoint()
    drawing.beside(boxes.query_box(traced.query), "rank", "text")
    for one in traced.results:
        judged = "" if one.relevance is None else " ✓" if one.relevance > 0 else " ✗"
        drawing.beside(boxes.video_box(one.lineage), "rank", f"rank {one.rank}: {one.similarity:.3f}{judged}")
    if rest := traced.ranked - len(traced.results):
        drawing.beside(boxes.more_box(rest, "videos ranked"), "rank", "lower ranks")
    lines = [Line(f"{traced.ranked} videos in runs/{system}.trec"), Line("✓ judged relevant, ✗ judged not relevant")]
    reads = ("checkpoint", "vectors of query and videos")
    drawing.made("rank", "evaluate", f"ranking by {system}", lines, {"ranked": traced.ranked}, reads)
    value = traced.values.get(system, {}).get(HEADLINE)
    if value is not None:
        others = [f"{name} {of[HEADLINE]:.3f}" for name, of in traced.values.items() if name != system]
        judgments = judgments_of(drawing.lineage, traced.query).values()
        relevant = f"{sum(one > 0 for one in judgments)} relevant of {len(judgments)} judged"
        drawing.score(value, f"other systems: {', '.join(others)}", relevant, {"values": traced.values}, "ranks")
