"""Traces as trees and tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.audit.items import Lineage, file_of
from tasks.audit.show import console, plain, short, shortened, size, table
from tasks.audit.trace.ancestry_view import show_ancestry, stages_tree, where_it_is
from tasks.audit.trace.answers import PairTrace, QueryTrace, ScoreTrace
from tasks.shared.artifacts import media
from tasks.shared.artifacts.exposures import Altered, Role
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.artifacts.vectors import SYSTEMS as ENCODED

if TYPE_CHECKING:
    from rich.console import Console
    from rich.tree import Tree

LISTED = 20  # queries that training showed a video for
WORDS = 300  # characters of a text that are shown

ROLES: dict[Role, str] = {"positive": "positive", "mined": "mined negative", "drawn": "random negative"}


def show_score(trace: ScoreTrace) -> None:
    """A number and the tree of all that it follows from."""
    out = console()
    if trace.value is not None:
        interval = f" [{trace.interval[0]:.4f}, {trace.interval[1]:.4f}]" if trace.interval else ""
        head = f"{trace.measure} {trace.value:.4f}{interval} of {trace.system}"
        head += f": {trace.queries} queries over {trace.videos} videos"
    else:
        head = trace.note or f"the result of stage {trace.measure}"
    out.print(plain(f"{head} ({where_it_is(trace.ancestry)})"))
    out.print(stages_tree(trace.ancestry))
    show_ancestry(out, trace.ancestry)
    if trace.value is not None:
        out.print("Down to one video: reeltrace audit trace QUERY:VIDEO. All digests: --json. Are they true: verify.")


def show_query(trace: QueryTrace) -> None:
    """A query's ranking, each result with where it came from, and the stages below."""
    out = console()
    query = trace.query
    facts = [query.language, query.type, f"{query.split} split", query.event and f"event {query.event}"]
    out.print(plain(f"query {query.query_id}: “{query.text}” ({', '.join(filter(None, facts))})"))
    out.print(plain(f"in the {where_it_is(trace.ancestry)}"))
    if trace.values:
        rows = [[name, *values.values()] for name, values in trace.values.items()]
        measures = list(next(iter(trace.values.values())))
        out.print(table("What it scores", ["system", *measures], rows, right=measures))
    if trace.system is None:
        _shown_for_query(trace)
    else:
        rows = [
            [
                one.rank,
                one.lineage.video.video_id,
                f"{one.similarity:.6f}",
                _relevance(one.relevance),
                *_made_of(one.lineage),
            ]
            for one in trace.results
        ]
        columns = [
            "rank",
            "video",
            "similarity",
            "relevant",
            "made of",
            "vector",
            "document",
            "frames",
            "audio",
            "file",
        ]
        title = f"The first {len(rows)} of {trace.ranked} ranked by {trace.system}; digests are sha256"
        out.print(table(title, columns, rows, right=["rank", "similarity"]))
        if trace.unranked:
            rest = [f"{one} at rank {rank}" if rank else f"{one} not ranked" for one, rank in trace.unranked.items()]
            out.print(plain(f"further judged relevant: {', '.join(rest)}"))
    show_ancestry(out, trace.ancestry)
    if trace.results:
        first = trace.results[0].lineage.video.video_id
        out.print(plain(f"Why one of them is where it is: reeltrace audit trace {query.query_id}:{first}"))


def show_pair(trace: PairTrace) -> None:
    """Why a video has its rank: places, what the model read, training, and the files below."""
    out = console()
    query, lineage = trace.query, trace.lineage
    video = lineage.video
    out.print(plain(f"query {query.query_id}: “{query.text}” ({query.language or '-'}, {query.type or '-'})"))
    out.print(plain(f"in the {where_it_is(trace.ancestry)}"))
    out.print(plain(f"video {video.video_id}: {video.title or 'untitled'} ({video.split} split)"))
    out.print(plain(_standing(trace)))
    rows = [
        [name, one.rank, f"{one.similarity:.6f}" if one.similarity is not None else None, one.ranked, _means(name)]
        for name, one in trace.places.items()
    ]
    if rows:
        columns = ["system", "rank", "score", "of", "score is"]
        out.print(table("Its place", columns, rows, right=["rank", "score", "of"]))
        near = [
            [one.rank, ("> " if one.video_id == video.video_id else "  ") + one.video_id, f"{one.similarity:.6f}",
             _relevance(one.relevance)]
            for one in trace.neighbours
        ]  # fmt: skip
        title = f"Around it in the ranking of {trace.system}"
        out.print(table(title, ["rank", "video", "similarity", "relevant"], near, right=["rank", "similarity"]))
    out.print(_item_tree(lineage))
    _show_training(out, trace)
    show_ancestry(out, trace.ancestry)


def _item_tree(lineage: Lineage) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    def node(text: str) -> Text:
        return Text(plain(text))

    document, video, made = lineage.document, lineage.video, lineage.media
    if document is None:
        why = lineage.left_out if video.split == "test" else "only the test split is searched"
        root = Tree(node("not in the index" + (f": {why}" if why else "")))
    else:
        root = Tree(
            node(f"index row: vector {short(document.vector_sha256)}, payload {short(document.payload_sha256)}")
        )
        read = root.add(node(f"document {short(document.document_sha256)}: {', '.join(document.modalities)}"))
        if document.text:
            read.add(node(f"text, {document.text_tokens} tokens: “{shortened(document.text, WORDS)}”"))
    if lineage.said is not None:
        heard = shortened(lineage.said.text, WORDS) if lineage.said.text else "no words"
        root.add(node(f"transcript {short(lineage.said.sha256)}, heard as {lineage.said.language or '-'}: “{heard}”"))
        if lineage.said.ocr is not None:
            written = f"“{shortened(lineage.said.ocr, WORDS)}”" if lineage.said.ocr else "none found"
            root.add(node(f"on-screen text: {written}"))
    if made is not None and made.frames is not None:
        span = f" from {made.times[0]:.2f} to {made.times[-1]:.2f} s" if made.times else ""
        where = file_of(media.FOLDER, made.frames)
        root.add(node(f"frames {short(made.frames_sha256)}: {len(made.times)}{span}, {where}"))
    if made is not None and made.audio is not None:
        where = file_of(media.FOLDER, made.audio)
        root.add(node(f"audio {short(made.audio_sha256)}: {made.audio_seconds:.2f} s, {where}"))
    for failure in lineage.failures:
        root.add(node(f"failed in {failure.step}: {failure.error}: {failure.message}"))
    root.add(node(f"video file {video.path}: sha256 {video.sha256}, {size(video.bytes)}"))
    return root


def _standing(trace: PairTrace) -> str:
    judged = "not judged" if trace.relevance is None else f"judged {trace.relevance}"
    if trace.system is None:
        return f"{judged}; queries of the {trace.query.split} split are not ranked"
    place = trace.places[trace.system]
    rank = f"rank {place.rank} of {place.ranked}" if place.rank else f"not among the {place.ranked} ranked"
    gain = ""
    if trace.gain is not None and trace.ndcg is not None:
        gain = f"; adds {trace.gain:.4f} to the query's {HEADLINE} of {trace.ndcg:.4f}"
    return f"{rank} by {trace.system}, {judged}{gain}"


def _show_training(out: Console, trace: PairTrace) -> None:
    """For which queries training showed the video, and as what."""
    if trace.shown is None:
        out.print("training: what it showed is not recorded in this state")
    elif not trace.shown:
        lineage = trace.lineage
        why = f": {lineage.left_out}" if lineage.video.split == "train" and lineage.left_out else ""
        out.print(plain(f"training: never a positive nor a negative ({lineage.video.split} split){why}"))
    else:
        rows = [[one.query_id, ROLES[one.role], len(one.steps), one.others] for one in trace.shown[:LISTED]]
        columns = ["for query", "as", "times", "in-batch negative of other queries"]
        more = len(trace.shown) - LISTED
        title = "What training showed of it" + (f" (the first {LISTED}; {more} more with --json)" if more > 0 else "")
        out.print(table(title, columns, rows, right=columns[2:]))
    _show_altered(out, trace.altered, trace.lineage.video.video_id)


def _show_altered(out: Console, altered: list[Altered], video_id: str | None) -> None:
    """What training showed otherwise than it is; of one video, where one is named."""
    if not altered:
        return
    rows = []
    for one in altered[:LISTED]:
        if one.how == "dropped":
            what = f"without its {one.modality}"
        elif one.partner == video_id:
            what = f"its {one.modality} in {one.video_id}, as a negative of that"
        else:
            what = f"with the {one.modality} of {one.partner}, as a negative of itself"
        rows.append([one.query_id, *([] if video_id else [one.video_id]), what, len(one.steps)])
    columns = ["for query", *([] if video_id else ["video"]), "how", "times"]
    more = len(altered) - LISTED
    title = "Shown otherwise than it is" + (f" (the first {LISTED}; {more} more with --json)" if more > 0 else "")
    out.print(table(title, columns, rows, right=["times"]))


def _shown_for_query(trace: QueryTrace) -> None:
    out = console()
    if trace.query.split == "test" or trace.shown is None:
        out.print("No ranking of it is here: the state was not evaluated.")
        return
    rows = [[one.video_id, ROLES[one.role], len(one.steps), one.others] for one in trace.shown]
    columns = ["video", "as", "times", "in-batch negative of other queries"]
    out.print(table("What training showed for it", columns, rows, right=columns[2:]))
    _show_altered(out, trace.altered, None)
    out.print(plain(f"How good its negatives are: reeltrace audit negatives {trace.query.query_id}"))


def _made_of(lineage: Lineage) -> list[str]:
    document, made = lineage.document, lineage.media
    return [
        ", ".join(document.modalities) if document else "-",
        short(document.vector_sha256 if document else None),
        short(document.document_sha256 if document else None),
        short(made.frames_sha256 if made else None),
        short(made.audio_sha256 if made else None),
        short(lineage.video.sha256),
    ]


def _relevance(relevance: int | None) -> str:
    return "-" if relevance is None else "yes" if relevance == 1 else str(relevance) if relevance else "no"


def _means(system: str) -> str:
    return "cosine of the vectors" if system in ENCODED else "cosine of the texts" if system == "text_dense" else "BM25"
