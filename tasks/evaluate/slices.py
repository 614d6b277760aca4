"""The headline measure for parts of the queries: by their language, type and category, and by the language and type of
the relevant videos.

A slice by query takes the queries of that value. A slice by video takes the queries that have a relevant video of
that value, and asks for that video alone: the query's other relevant videos are taken out of judgments and ranking,
since to find them is no mistake. A query without a value is in the slice `unknown`; a facet of which nothing is
known is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from tasks.evaluate.measures import PerQuery, headline, per_query
from tasks.shared.artifacts.corpus import Qrels, Query, Video
from tasks.shared.artifacts.scores import HEADLINE, Slice
from tasks.shared.artifacts.types import Run
from tasks.shared.runtime.progress import progress

UNKNOWN = "unknown"
Interval = Callable[[list[float]], list[float]]


def slices(
    queries: Iterable[Query],
    videos: Iterable[Video],
    qrels: Qrels,
    runs: Mapping[str, Run],
    values: Mapping[str, PerQuery],
    interval: Interval,
) -> dict[str, dict[str, Slice]]:
    """Slices by facet and value.

    Args:
        queries: those that are scored.
        videos: those that are ranked.
        qrels: judgments of these queries.
        runs: rankings by system.
        values: by system, what each query scores.
        interval: gives [low, high] of the mean of such values.
    """
    queries, videos = list(queries), list(videos)
    found: dict[str, dict[str, Slice]] = {}
    for facet, of_query in (
        ("query_language", {query.query_id: query.language for query in queries}),
        ("query_type", {query.query_id: query.type for query in queries}),
        ("query_category", {query.query_id: query.category for query in queries}),
    ):
        if any(of_query.values()):
            named = progress(_values(of_query), facet, unit="slice")
            found[facet] = {value: _of_queries(value, of_query, values, interval) for value in named}
    for facet, of_video in (
        ("video_language", {video.video_id: video.language for video in videos}),
        ("video_type", {video.video_id: video.video_type for video in videos}),
    ):
        if any(of_video.values()):
            named = progress(_values(of_video), facet, unit="slice")
            parts = {value: _of_videos(value, of_video, qrels, runs, interval) for value in named}
            found[facet] = {value: part for value, part in parts.items() if part.count}
    return found


def _values(known: Mapping[str, str | None]) -> list[str]:
    return sorted({value or UNKNOWN for value in known.values()})


def _of_queries(
    value: str, of_query: Mapping[str, str | None], values: Mapping[str, PerQuery], interval: Interval
) -> Slice:
    chosen = [query_id for query_id, one in of_query.items() if (one or UNKNOWN) == value]
    return _slice({name: {query_id: all_[query_id] for query_id in chosen} for name, all_ in values.items()}, interval)


def _of_videos(
    value: str, of_video: Mapping[str, str | None], qrels: Qrels, runs: Mapping[str, Run], interval: Interval
) -> Slice:
    others = {
        query_id: {
            video for video, relevance in judged.items() if relevance > 0 and (of_video[video] or UNKNOWN) != value
        }
        for query_id, judged in qrels.items()
    }
    kept = {
        query_id: {video: relevance for video, relevance in judged.items() if video not in others[query_id]}
        for query_id, judged in qrels.items()
    }
    narrowed = {query_id: judged for query_id, judged in kept.items() if any(judged.values())}
    values = {
        name: per_query(
            {query_id: _without(run.get(query_id, {}), others[query_id]) for query_id in narrowed}, narrowed
        )
        for name, run in runs.items()
    }
    return _slice(values, interval)


def _without(ranking: Mapping[str, float], unwanted: set[str]) -> dict[str, float]:
    return {video: score for video, score in ranking.items() if video not in unwanted}


def _slice(values: Mapping[str, PerQuery], interval: Interval) -> Slice:
    count = max((len(one) for one in values.values()), default=0)
    if not count:
        return Slice(0, {})
    numbers = {name: headline(one) for name, one in values.items()}
    return Slice(
        count, {name: {HEADLINE: sum(one) / count, "interval": interval(one)} for name, one in numbers.items()}
    )
