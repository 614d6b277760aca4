"""Traces as trees and tables for people."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tasks.audit.text import Line, Table, Tree, as_json, short, shortened, show, size, table, tree
from tasks.audit.trace.pair import PairTrace, trace_pair
from tasks.audit.trace.stages import show_ancestry, show_score, where_it_is
from tasks.audit.trace.trace import ROLES, QueryTrace, trace_query, trace_score
from tasks.lineage.items import VideoLineage
from tasks.lineage.score import resolve
from tasks.shared.artifacts import media
from tasks.shared.artifacts.exposures import Altered, Exposure
from tasks.shared.artifacts.scores import HEADLINE

LISTED = 20  # rows of what training showed
WORDS = 300  # characters of a text that are shown
SCORES = {"tuned": "cosine of the vectors", "base": "cosine of the vectors", "text_dense": "cosine of the texts"}


def answer(chosen: argparse.Namespace) -> int:
    """Print the ancestry. Raises UserError where there is nothing of that name."""
    score = resolve(chosen.score, chosen.rev)
    if score.video_id is not None:
        pair = trace_pair(score)
        print(as_json(pair)) if chosen.json else show_pair(pair)
    elif score.query_id is not None:
        query = trace_query(score, chosen.k)
        print(as_json(query)) if chosen.json else show_query(query)
    else:
        number = trace_score(score)
        print(as_json(number)) if chosen.json else show_score(number)
    return 0


def _show_head(trace: QueryTrace | PairTrace) -> None:
    query = trace.query
    facts = [query.language, query.type, f"{query.split} split", query.event and f"event {query.event}"]
    show(f"query {query.query_id}: “{query.text}” ({', '.join(filter(None, facts))})")
    show(f"in the {where_it_is(trace.ancestry)}")


def show_query(trace: QueryTrace) -> None:
    """A query's ranking, each result with where it came from, and the stages below."""
    _show_head(trace)
    query_id = trace.query.query_id
    if trace.values:
        measures = list(next(iter(trace.values.values())))
        rows = [[name, *values.values()] for name, values in trace.values.items()]
        show(table("What it scores", ["system", *measures], rows, right=measures))
    if trace.system is not None:
        show(_results(trace))
        mismatches = [str(each) for one in trace.results for each in one.lineage.mismatches]
        show(Line(f"broken: {one}", "bold red") for one in mismatches)
        if trace.unranked:
            rest = [f"{one} at rank {rank}" if rank else f"{one} not ranked" for one, rank in trace.unranked.items()]
            show(f"further judged relevant: {', '.join(rest)}")
    elif trace.query.split == "test" or trace.shown is None:
        show("No ranking of it is here: the state was not evaluated.")
    else:
        show(_shown("What training showed for it", "video", [(one.video_id, one) for one in trace.shown]))
        show(_altered(trace.altered, None))
        show(f"How good its negatives are: reeltrace audit negatives {query_id}")
    show_ancestry(trace.ancestry)
    if trace.results:
        first = trace.results[0].lineage.video.video_id
        show(f"Why one of them is where it is: reeltrace audit trace {query_id}:{first}")


def _results(trace: QueryTrace) -> Table:
    rows = []
    for one in trace.results:
        document, made, video = one.lineage.document, one.lineage.media, one.lineage.video
        read: list[str | None] = [None, None, None]
        if document:
            read = [", ".join(document.modalities), short(document.vector_sha256), short(document.document_sha256)]
        extracted = [short(made.frames_sha256), short(made.audio_sha256)] if made else [None, None]
        place = [one.rank, video.video_id, f"{one.similarity:.6f}", _relevance(one.relevance)]
        rows.append([*place, *read, *extracted, short(video.sha256)])
    columns = ["rank", "video", "similarity", "relevant", "made of", "vector", "document", "frames", "audio", "file"]
    title = f"The first {len(rows)} of {trace.ranked} ranked by {trace.system}; digests are sha256"
    return table(title, columns, rows, right=["rank", "similarity"])


def show_pair(trace: PairTrace) -> None:
    """Why a video has its rank: places, what the model read, training, and the files below."""
    _show_head(trace)
    video, why = trace.lineage.video, trace.lineage.left_out
    show(f"video {video.video_id}: {video.title or 'untitled'} ({video.split} split)", _standing(trace))
    if trace.places:
        places = [
            [name, one.rank, one.similarity and f"{one.similarity:.6f}", one.ranked, SCORES.get(name, "BM25")]
            for name, one in trace.places.items()
        ]
        show(table("Its place", ["system", "rank", "score", "of", "score is"], places, right=["rank", "score", "of"]))
        near = []
        for one in trace.neighbours:
            name = "> " * (one["video_id"] == video.video_id) + one["video_id"]
            near.append([one["rank"], name, f"{one['similarity']:.6f}", _relevance(one["relevance"])])
        title = f"Around it in the ranking of {trace.system}"
        show(table(title, ["rank", "video", "similarity", "relevant"], near, right=["rank", "similarity"]))
    show(item_tree(trace.lineage))
    if trace.shown is None:
        show("training: what it showed is not recorded in this state")
    elif trace.shown:
        show(_shown("What training showed of it", "for query", [(one.query_id, one) for one in trace.shown]))
    else:
        reason = f": {why}" if video.split == "train" and why else ""
        show(f"training: never a positive nor a negative ({video.split} split){reason}")
    show(_altered(trace.altered, video.video_id))
    show_ancestry(trace.ancestry)


def item_tree(lineage: VideoLineage) -> Tree:
    """What was made of one video, from its row of the index down to its file."""
    document, video, made, said = lineage.document, lineage.video, lineage.media, lineage.said
    if document is None:
        why = lineage.left_out if video.split == "test" else "only the test split is searched"
        root = tree("not in the index" + (f": {why}" if why else ""))
    else:
        root = tree(f"index row: vector {short(document.vector_sha256)}, payload {short(document.payload_sha256)}")
        words = f"text, {document.text_tokens} tokens: “{shortened(document.text or '', WORDS)}”"
        read = f"document {short(document.document_sha256)}: {', '.join(document.modalities)}"
        root.add(read, [words] if document.text else [])
    if said is not None:
        heard = shortened(said.text, WORDS) if said.text else "no words"
        root.add(f"transcript {short(said.sha256)}, heard as {said.language or '-'}: “{heard}”")
        if said.ocr is not None:
            root.add(f"on-screen text: {f'“{shortened(said.ocr, WORDS)}”' if said.ocr else 'none found'}")
    if made is not None and made.frames is not None:
        span = f" from {made.times[0]:.2f} to {made.times[-1]:.2f} s" if made.times else ""
        root.add(f"frames {short(made.frames_sha256)}: {len(made.times)}{span}, {media.FOLDER / made.frames}")
    if made is not None and made.audio is not None:
        root.add(f"audio {short(made.audio_sha256)}: {made.audio_seconds:.2f} s, {media.FOLDER / made.audio}")
    for line in lineage.mismatches:
        root.add(f"broken: {line}", style="bold red")
    for failure in lineage.failures:
        root.add(f"failed in {failure.step}: {failure.error}: {failure.message}")
    root.add(f"video file {video.path}: sha256 {video.sha256}, {size(video.bytes)}")
    return root


def _standing(trace: PairTrace) -> str:
    judged = "not judged" if trace.relevance is None else f"judged {trace.relevance}"
    if trace.system is None:
        return f"{judged}; queries of the {trace.query.split} split are not ranked"
    place, gain = trace.places[trace.system], ""
    rank = f"rank {place.rank} of {place.ranked}" if place.rank else f"not among the {place.ranked} ranked"
    if trace.gain is not None and trace.ndcg is not None:
        gain = f"; adds {trace.gain:.4f} to the query's {HEADLINE} of {trace.ndcg:.4f}"
    return f"{rank} by {trace.system}, {judged}{gain}"


def _shown(title: str, what: str, shown: Sequence[tuple[str, Exposure]]) -> Table:
    rows = [[name, ROLES[one.role], len(one.steps), one.others] for name, one in shown]
    return _first(title, [what, "as", "times", "in-batch negative of other queries"], rows)


def _altered(altered: list[Altered], video_id: str | None) -> Table | None:
    """What training showed otherwise than it is; of one video, where one is named."""
    rows = []
    for one in altered:
        what = f"with the {one.modality} of {one.partner}, as a negative of itself"
        if one.how == "dropped":
            what = f"without its {one.modality}"
        elif one.partner == video_id:
            what = f"its {one.modality} in {one.video_id}, as a negative of that"
        rows.append([one.query_id, one.video_id, what, len(one.steps)])
    return _first("Shown otherwise than it is", ["for query", "video", "how", "times"], rows) if rows else None


def _first(title: str, columns: list[str], rows: list[list[object]]) -> Table:
    more = len(rows) - LISTED
    cut = f" (the first {LISTED}; {more} more with --json)" if more > 0 else ""
    return table(title + cut, columns, rows[:LISTED], right=columns[2:])


def _relevance(relevance: int | None) -> str:
    return "-" if relevance is None else {0: "no", 1: "yes"}.get(relevance, str(relevance))
