"""The mine stage: hard negatives for every training query that has a judged positive.

Queries search the transcripts of the training videos, as the recipe does (a retriever over speech alone); a video
in which nothing was said can be no candidate of `dense` and `bm25`, and a positive without a transcript has no score
for the margin. `omni` is the system that training starts from, over pictures, sound and text. `random` draws from all
training videos. Fewer candidates than `mine.keep` stay fewer, and are counted as short.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.mine import sources
from tasks.mine.filtering import mined, threshold
from tasks.mine.sources import Candidates
from tasks.shared.artifacts.corpus import Query, Video, positives_of, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.models import base_system
from tasks.shared.artifacts.negatives import FILE, MinedQuery, write_negatives
from tasks.shared.artifacts.transcripts import read_proved
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.failures import refuse_too_many, write_failures
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Plan
from tasks.shared.execution.stage import StageRun
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_json


def _read(root: Path) -> tuple[list[Video], list[Query], dict[str, list[str]]]:
    """Training videos, training queries, and the judged positives of those that have any."""
    corpus = root / "corpus"
    videos = read_videos(corpus / "manifest.parquet", "train")
    queries = read_queries(corpus / "queries.parquet", "train")
    qrels = read_qrels(corpus / "qrels.train.trec")
    return videos, queries, {one.query_id: ids for one in queries if (ids := positives_of(qrels, one.query_id))}


def plan(params: Params, root: Path = RESULTS) -> list[Plan[Any]]:
    """What there is to encode for mining, out of the tables of a results folder."""
    videos, queries, judged = _read(root)
    asked = {query.query_id: query.text for query in queries if query.query_id in judged}
    if params.mine.source == "omni":
        from tasks.omni.documents import read_documents
        from tasks.omni.plan import encoding_of, plan_encoding

        documents = read_documents(videos, params.mine.modalities, params.document.train_text, root).found
        encoding = encoding_of(base_system(root), params, params.train.max_query_tokens)
        return [plan_encoding(encoding, params.run.threads, documents.values(), asked).plan]
    if params.mine.source == "dense" and asked and (texts := _spoken(videos, root)):
        from tasks.shared.retrieval.dense import DenseRetriever

        return list(DenseRetriever(params.retriever, params.run.threads, lambda: None).plans(asked, texts))
    return []


def run(stage: StageRun) -> None:
    """Write `negatives.jsonl`, `failures.jsonl`, and `retriever.json`: what mined them (null where no model did)."""
    params = stage.params.mine
    if params.source == "random" and params.relative_margin is not None:
        raise UserError("mine.relative_margin goes by scores, and source random has none; set it to null")
    videos, queries, judged = _read(RESULTS)
    if unjudged := len(queries) - len(judged):
        print(f"mine: {unjudged} of {len(queries)} training queries have no judged positive and are left out")
    wanted = [query for query in queries if query.query_id in judged]
    candidates = _candidates(stage, wanted, videos, judged)
    refuse_too_many(candidates.failures, len(videos), stage.params.run.max_failed_fraction, "mine")
    found = []
    for query in wanted:
        ranking, scores = (of.get(query.query_id, {}) for of in (candidates.rankings, candidates.positives))
        highest = threshold(scores.values(), params.relative_margin)
        one = mined(query.query_id, judged[query.query_id], ranking, scores, highest, params.keep)
        found.append(replace(one, query_sha256=query.digest()))
    write_negatives(stage.out / FILE.name, found)
    write_json(stage.out / "retriever.json", candidates.retriever)
    write_failures(stage.out, candidates.failures)
    stage.reused = candidates.reused
    unscored = sum(not candidates.positives.get(one) for one in judged)  # nothing is dropped by the margin there
    stage.counts = _counts(found, wanted, videos, params.keep) | {
        "without_positives": unjudged,
        "without_threshold": unscored if params.relative_margin is not None else 0,
        **candidates.counts,
    }


def _candidates(
    stage: StageRun, wanted: Sequence[Query], videos: Sequence[Video], judged: Mapping[str, Sequence[str]]
) -> Candidates:
    params = stage.params
    queries = {query.query_id: query.text for query in wanted}
    if params.mine.source == "random":
        return sources.random(queries, [video.video_id for video in videos], params.mine.depth, params.run.seed)
    if params.mine.source == "omni":
        return sources.omni(queries, videos, judged, params, stage.take_gpus)
    texts = _spoken(videos, RESULTS)
    if not queries or not texts:  # no model is loaded for nothing
        return Candidates({}, {})
    if params.mine.source == "bm25":
        return sources.bm25(queries, texts, judged, params)
    return sources.dense(queries, texts, judged, params, stage.take_gpus)


def _spoken(videos: Sequence[Video], root: Path) -> dict[str, str]:
    """What is said in each video in which anything is. Raises UserError for a row of another video's."""
    _, transcripts = read_proved(videos, root)
    return {
        video.video_id: text
        for video in videos
        if video.video_id in transcripts and (text := " ".join(transcripts[video.video_id].text.split()))
    }


def _counts(found: Sequence[MinedQuery], wanted: Sequence[Query], videos: Sequence[Video], keep: int) -> dict[str, int]:
    event_of = {video.video_id: video.event for video in videos}
    asked = {query.query_id: query.event for query in wanted}
    dropped = [one.reason for query in found for one in query.dropped]
    return {
        "queries": len(found),
        "negatives": sum(len(one.negatives) for one in found),
        "dropped_positive": dropped.count("positive"),
        "dropped_margin": dropped.count("margin"),
        "short": sum(len(one.negatives) < keep for one in found),
        # of the event asked for, and not judged: kept, but each may be a false negative
        "same_event": sum(
            asked[query.query_id] is not None and event_of[one.video_id] == asked[query.query_id]
            for query in found
            for one in query.negatives
        ),
    }
