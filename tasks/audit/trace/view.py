"""Traces as trees and tables for people."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import Any

from tasks.audit.ancestry import Ancestry, valued
from tasks.audit.rows import rows
from tasks.audit.text import Line, Tree, as_json, short, shortened, show, size, tree
from tasks.audit.trace.trace import ROLES, PairTrace, QueryTrace, ScoreTrace, trace_pair, trace_query, trace_score
from tasks.lineage.items import VideoLineage
from tasks.lineage.model import Execution, short_path
from tasks.lineage.score import resolve
from tasks.shared.artifacts import media
from tasks.shared.artifacts.exposures import Altered
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.tracking import flat

LISTED = 20  # rows of what training showed
NAMED = 6  # outputs of a stage that are named; of more, how many
WORDS = 300  # characters of a text that are shown
SCORES = {"tuned": "cosine of the vectors", "base": "cosine of the vectors", "text_dense": "cosine of the texts"}


def answer(chosen: argparse.Namespace) -> int:
    """Print the ancestry. Raises UserError where there is nothing of that name."""
    score = resolve(chosen.score, chosen.rev)
    found: ScoreTrace | QueryTrace | PairTrace
    if score.video_id is not None:
        found = trace_pair(score)
    else:
        found = trace_score(score) if score.query_id is None else trace_query(score, chosen.k)
    if chosen.json:
        print(as_json(found))
    elif isinstance(found, ScoreTrace):
        show(_score(found))
    else:
        query = found.query
        facts = [query.language, query.type, f"{query.split} split", query.event and f"event {query.event}"]
        show(f"query {query.query_id}: “{query.text}” ({', '.join(filter(None, facts))})")
        show(f"in the {found.ancestry.where}", _pair(found) if isinstance(found, PairTrace) else _query(found))
    return 0


def _score(trace: ScoreTrace) -> Iterable[Any]:
    """A number and the tree of all that it follows from."""
    head, above = trace.note or f"the result of stage {trace.measure}", trace.ancestry
    if trace.value is not None:
        interval = f" [{trace.interval[0]:.4f}, {trace.interval[1]:.4f}]" if trace.interval else ""
        head = f"{trace.measure} {trace.value:.4f}{interval} of {trace.system}"
        head += f": {trace.queries} queries over {trace.videos} videos"
    yield f"{head} ({above.where}) follows from"
    yield from (_stage(one, facts["changed"], above) for one, facts in zip(above.executions, above.stages, strict=True))
    yield above.shown()
    if trace.value is not None:
        yield "Down to one video: reeltrace audit trace QUERY:VIDEO. All digests: --json. Are they true: verify."


def _stage(one: Execution, changed: list[str], above: Ancestry) -> Tree:
    """A stage, what it made of what, and what changed since."""
    read = dict.fromkeys(each.maker for each in one.used.values() if each.maker)
    outside = [f"{each.path} {short(each.sha256)}" for each in one.used.values() if each.maker is None]
    made = _listed([f"{short_path(path)} {short(each.sha256)}" for path, each in one.generated.items()])
    for path, each in one.folders.items():
        made += f", {short_path(path)}/ ({each['files']} files, {size(each['bytes'])})"
    params = {key.removeprefix(f"{one.stage}."): value for key, value in flat(one.params).items()}
    facts = {
        "read ": ", ".join(maker if maker in above.runs else f"{maker} (not here)" for maker in read),
        "read from outside: ": _listed(outside),
        "made ": made,
        "": ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in one.counts.items() if count),
        "with ": ", ".join(valued(params)),
        "changed here since it was made: ": _listed(changed),
    }
    lines = [what + text for what, text in facts.items() if text]
    return tree(f"{one.stage} {short(one.digest)}", lines, style="bold")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _query(trace: QueryTrace) -> Iterable[Any]:
    """A query's ranking, each result with where it came from, and the stages below."""
    query_id = trace.query.query_id
    yield rows("What it scores", [{"system": name, **values} for name, values in trace.values.items()])
    if trace.system is not None:
        title = f"The first {len(trace.results)} of {trace.ranked} ranked by {trace.system}; digests are sha256"
        found = []
        for one in trace.results:
            document, made, video = one.lineage.document, one.lineage.media, one.lineage.video
            of = {"rank": one.rank, "video": video.video_id, "similarity": one.similarity, "relevance": one.relevance}
            names = ("modalities", "vector_sha256", "document_sha256")
            of |= {name.removesuffix("_sha256"): getattr(document, name, None) for name in names}
            of |= {name: getattr(made, f"{name}_sha256", None) for name in ("frames", "audio")}
            found.append(of | {"file": video.sha256})
        yield rows(title, found, len(found))
        yield from (Line(f"broken: {each}", "bold red") for one in trace.results for each in one.lineage.mismatches)
        if trace.unranked:
            rest = [f"{one} at rank {rank}" if rank else f"{one} not ranked" for one, rank in trace.unranked.items()]
            yield f"further judged relevant: {', '.join(rest)}"
    elif trace.query.split == "test" or trace.shown is None:
        yield "No ranking of it is here: the state was not evaluated."
    else:
        yield _training("What training showed for it", trace, "video_id")
        yield f"How good its negatives are: reeltrace audit negatives {query_id}"
    yield trace.ancestry.shown()
    if trace.results:
        first = trace.results[0].lineage.video.video_id
        yield f"Why one of them is where it is: reeltrace audit trace {query_id}:{first}"


def _pair(trace: PairTrace) -> Iterable[Any]:
    """Why a video has its rank: places, what the model read, training, and the files below."""
    video, why = trace.lineage.video, trace.lineage.left_out
    yield f"video {video.video_id}: {video.title or 'untitled'} ({video.split} split)"
    judged = "not judged" if trace.relevance is None else f"judged {trace.relevance}"
    if trace.system is None:
        yield f"{judged}; queries of the {trace.query.split} split are not ranked"
    else:
        place = trace.places[trace.system]
        rank = f"rank {place.rank} of {place.ranked}" if place.rank else f"not among the {place.ranked} ranked"
        unknown = trace.gain is None or trace.ndcg is None
        gain = "" if unknown else f"; adds {trace.gain:.4f} to the query's {HEADLINE} of {trace.ndcg:.4f}"
        yield f"{rank} by {trace.system}, {judged}{gain}"
    places = [{"system": name, **vars(one), "score is": SCORES.get(name, "BM25")} for name, one in trace.places.items()]
    yield rows("Its place", places)
    around = [{"": ">" if one["video_id"] == video.video_id else "", **one} for one in trace.neighbours]
    yield rows(f"Around it in the ranking of {trace.system}", around)
    yield item_tree(trace.lineage)
    if trace.shown is None:
        yield "training: what it showed is not recorded in this state"
    elif not trace.shown:
        reason = f": {why}" if video.split == "train" and why else ""
        yield f"training: never a positive nor a negative ({video.split} split){reason}"
    yield _training("What training showed of it", trace, "query_id")
    yield trace.ancestry.shown()


def _training(title: str, trace: QueryTrace | PairTrace, what: str) -> Iterable[Any]:
    """What training showed of a video or for a query, and what of that otherwise than it is."""
    video_id = trace.lineage.video.video_id if isinstance(trace, PairTrace) else None
    shown = [
        {what: getattr(one, what), "as": ROLES[one.role], "times": len(one.steps), "in-batch negative": one.others}
        for one in trace.shown or []
    ]
    yield rows(title, shown, LISTED)
    found = [
        {"query_id": one.query_id, "video_id": one.video_id, "how": _how(one, video_id), "times": len(one.steps)}
        for one in trace.altered
    ]
    yield rows("Shown otherwise than it is", found, LISTED)


def _how(one: Altered, video_id: str | None) -> str:
    if one.how == "dropped":
        return f"without its {one.modality}"
    if one.partner == video_id:
        return f"its {one.modality} in {one.video_id}, as a negative of that"
    return f"with the {one.modality} of {one.partner}, as a negative of itself"


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
