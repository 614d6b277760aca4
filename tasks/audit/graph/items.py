"""The lineage of one query's ranking and of one video's rank in it, item by item."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tasks.audit.ancestry import ancestry
from tasks.audit.graph.boxes import Drawing, more_box, query_box, role_counts, shown_as, video_box
from tasks.audit.trace.pair import PairTrace, trace_pair
from tasks.audit.trace.trace import QueryTrace, judgments_of, trace_query
from tasks.lineage.items import video_lineages
from tasks.lineage.picture.graph import Graph, Line, Node, short
from tasks.lineage.score import QUERIES, Score
from tasks.shared.artifacts.corpus import read_queries
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.scores import HEADLINE

QRELS = "results/corpus/qrels.test.trec"
TAUGHT = (("video", "title, description, caption"), ("media", "frames, audio"), ("transcript", "text"))
MOST = 6  # videos or queries beside a box; the rest is counted


def graph_of_pair(score: Score) -> Graph:
    """Why a video has its rank: its file, frames, sound, words, document and row; the checkpoint; the query."""
    traced = trace_pair(score)
    lineage, document = traced.lineage, traced.lineage.document
    indexed = document is not None and traced.system is None  # of a training query the trace ends with training
    drawing = Drawing(score.lineage, ancestry(score.lineage, "encode") if indexed else traced.ancestry)
    drawing.add(drawing.video(lineage))
    wrong = {(Path(one.table).parts[1], one.made_from) for one in lineage.mismatches}
    drawing.add(drawing.media(lineage), ("video", "file", any(stage == "extract" for stage, _ in wrong)))
    drawing.add(drawing.transcript(lineage), ("media", "audio", any(stage == "transcribe" for stage, _ in wrong)))
    if document:
        media = lineage.media
        drawing.add(
            drawing.document(document),
            ("video", "title, description, caption"),
            ("media", "frames, audio", media is None or bool({("encode", "frames"), ("encode", "audio")} & wrong)),
            ("transcript", "text", ("encode", "transcript") in wrong),
        )
    taught = () if document or not traced.shown else TAUGHT
    _checkpoint(drawing, traced.shown or [], [Line(_training(traced), most=3)], taught)
    if document:
        other = bool({("encode", "document"), ("encode", "content"), ("encode", "vector")} & wrong)
        drawing.add(drawing.vector(document), ("document", "content", other), ("checkpoint", "weights"))
    _rank(drawing, traced)
    return drawing.graph(f"Lineage of {traced.query.query_id}:{lineage.video.video_id}")


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


def _checkpoint(
    drawing: Drawing, shown: Sequence[Exposure], more: Sequence[Line], taught: Sequence[tuple[str, str]]
) -> None:
    """The checkpoint with its base, and the training queries that a video was shown for."""
    drawing.beside(drawing.base(), "checkpoint", "weights")
    first = {one.query_id: one for one in sorted(shown, key=lambda one: (one.role != "positive", one.query_id))}
    queries = drawing.lineage.need(QUERIES) if first else None
    texts = {one.query_id: one for one in read_queries(queries, query_ids=[*first][:MOST])} if queries else {}
    for query_id in [*first][:MOST]:
        box = query_box(texts[query_id], f"trained {query_id}", "training query")
        drawing.beside(box, "checkpoint", shown_as(first[query_id]))
    if len(first) > MOST:
        rest = [one for query_id, one in first.items() if query_id not in texts]
        drawing.beside(more_box(len(rest), "training queries"), "checkpoint", role_counts(rest))
    drawing.add(drawing.checkpoint(more), *taught)


def _rank(drawing: Drawing, traced: PairTrace) -> None:
    """The end of a pair's graph: rank and score, or why there is none."""
    query, system = traced.query, traced.system
    place = traced.places[system] if system else None
    if system is None or place is None or place.rank is None:
        why = traced.lineage.left_out or "its ranking lacks it"
        if query.split == "train":
            why = "nothing ranked videos for it: it is a training query"
        if traced.lineage.video.split == "train":
            why = "the index holds the test split, and this video is of the train split"
        drawing.beside(query_box(query), "none", "query")
        drawn = [("vector", "not compared")] if traced.lineage.document else []
        drawing.add(Node("none", "item", "not ranked", (Line(why, most=2),)), *drawn)
        return
    if traced.lineage.document is None:
        row = drawing.box("vector", "encode", "row of the index", [Line("not recorded row by row here")], {})
        drawing.add(row, ("media", "frames, audio"), ("transcript", "text"), ("checkpoint", "weights"))
    lines = [Line(f"similarity {place.similarity:.6f}"), Line(f"of {place.ranked} videos in runs/{system}.trec")]
    others = [f"{name} {one.rank or 'none'}" for name, one in traced.places.items() if name != system]
    if others:
        lines.append(Line(f"rank by other systems: {', '.join(others)}", most=2))
    facts = {"rank": place.rank, "similarity": place.similarity, "system": system}
    drawing.beside(query_box(query), "rank", "text")
    rank = drawing.box("rank", "evaluate", f"rank {place.rank} in {system}", lines, facts)
    drawing.add(rank, ("vector", "inner product"), ("checkpoint", "query's vector"))
    if traced.ndcg is not None:
        relevance = traced.relevance
        drawing.beside(
            _judgments(drawing, "not judged" if relevance is None else f"relevance {relevance}"), "score", "relevance"
        )
        adds = f"of which this video adds {traced.gain:.3f}" if traced.gain is not None else ""
        end = Node(
            "score", "score", f"{HEADLINE} of the query", (Line(f"{traced.ndcg:.3f}", "figure"), Line(adds)),
            mark=drawing.mark, facts={"value": traced.ndcg, "gain": traced.gain},
        )  # fmt: skip
        drawing.add(end, ("rank", f"rank {place.rank}"))


def _judgments(drawing: Drawing, said: str) -> Node:
    corpus = drawing.stages.get("corpus")
    digest = corpus.digest_of(QRELS) if corpus else None
    lines = (Line(said), Line(f"{QRELS.rpartition('/')[2]} {short(digest)}", "digest"))
    return Node("judgments", "source", "judgments", lines, facts={QRELS: digest, "said": said})


def graph_of_query(score: Score) -> Graph:
    """A query's ranking: its first videos, the checkpoint that encoded them; of a training query what it was shown."""
    traced = trace_query(score, MOST)
    drawing = Drawing(score.lineage, traced.ancestry)
    title = f"Lineage of {traced.query.query_id}"
    if traced.system is None:
        return _training_query(drawing, traced, title)
    system = traced.system
    drawing.beside(drawing.base(), "checkpoint", "weights")
    drawing.add(drawing.checkpoint())
    drawing.beside(query_box(traced.query), "rank", "text")
    for one in traced.results:
        judged = "" if one.relevance is None else " ✓" if one.relevance > 0 else " ✗"
        label = f"rank {one.rank}: {one.similarity:.3f}{judged}"
        drawing.beside(video_box(one.lineage), "rank", label)
    if traced.ranked > len(traced.results):
        drawing.beside(more_box(traced.ranked - len(traced.results), "videos ranked"), "rank", "lower ranks")
    lines = [Line(f"{traced.ranked} videos in runs/{system}.trec"), Line("✓ judged relevant, ✗ judged not relevant")]
    ranking = drawing.box("rank", "evaluate", f"ranking by {system}", lines, {"ranked": traced.ranked})
    drawing.add(ranking, ("checkpoint", "vectors of query and videos"))
    value = traced.values.get(system, {}).get(HEADLINE)
    if value is not None:
        others = [f"{name} {of[HEADLINE]:.3f}" for name, of in traced.values.items() if name != system]
        lines = [Line(f"{value:.3f}", "figure"), Line(f"other systems: {', '.join(others)}", most=2)]
        facts = {"values": traced.values}
        node = Node("score", "score", f"{HEADLINE} of the query", tuple(lines), drawing.mark, facts=facts)
        relevance = judgments_of(drawing.lineage, traced.query)
        relevant = sum(one > 0 for one in relevance.values())
        drawing.beside(_judgments(drawing, f"{relevant} relevant of {len(relevance)} judged"), "score", "relevance")
        drawing.add(node, ("rank", "ranks"))
    return drawing.graph(title)


def _training_query(drawing: Drawing, traced: QueryTrace, title: str) -> Graph:
    """A training query: the videos it was trained with."""
    shown = sorted(traced.shown or [], key=lambda one: (one.role != "positive", one.role != "mined", one.video_id))
    drawing.beside(drawing.base(), "checkpoint", "weights")
    drawing.beside(query_box(traced.query), "checkpoint", "trained on" if shown else "not trained on")
    none = "no video was shown for it in training"
    if traced.query.split == "test":
        none = "a test query, for which nothing is ranked in this state"
    lineages = video_lineages(drawing.lineage, [one.video_id for one in shown[:MOST]])
    for one in shown[:MOST]:
        drawing.beside(video_box(lineages[one.video_id]), "checkpoint", shown_as(one))
    if len(shown) > MOST:
        drawing.beside(more_box(len(shown) - MOST, "videos"), "checkpoint", role_counts(shown[MOST:]))
    drawing.add(drawing.checkpoint([Line(role_counts(shown) or none, most=2)]))
    return drawing.graph(title)
