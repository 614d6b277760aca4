"""The headline measure for parts of the queries: by their language, type and category, and by the language and type of
the relevant videos.

A slice by query takes the queries of that value. A slice by video takes the queries that have a relevant video of
that value, and asks for that video alone: the query's other relevant videos are taken out of judgments and ranking,
since to find them is no mistake. A query without a value is in the slice `unknown`; a facet of which nothing is
known is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from tasks.evaluate.measures import PerQuery, headline, per_query
from tasks.shared.artifacts.corpus import Qrels, Query, Video
from tasks.shared.artifacts.scores import HEADLINE, Slice
from tasks.shared.artifacts.types import Run
from tasks.shared.runtime.progress import progress

UNKNOWN = "unknown"
Interval = Callable[[list[float]], list[float]]
T = TypeVar("T")


def slices(
    queries: Iterable[Query],
    videos: Iterable[Video],
    qrels: Qrels,
    runs: Mapping[str, Run],
    values: Mapping[str, PerQuery],
    interval: Interval,
) -> dict[str, dict[str, Slice]]:
    """Slices by facet and value, of the scored queries with their judgments and the ranked videos. `values` has by
    system what each query scores; `interval` gives [low, high] of the mean of such values."""
    queries, videos = list(queries), list(videos)
    found: dict[str, dict[str, Slice]] = {}
    for facet in ("query_language", "query_type", "query_category"):
        parts = _by_value({one.query_id: getattr(one, facet.removeprefix("query_")) for one in queries})
        for value, ids in progress(parts.items(), facet, unit="slice"):
            chosen = {name: {query_id: of[query_id] for query_id in ids} for name, of in values.items()}
            found.setdefault(facet, {})[value] = _slice(chosen, interval)
    for facet in ("video_language", "video_type"):
        name = facet if facet == "video_type" else "language"
        parts = _by_value({one.video_id: getattr(one, name) for one in videos})
        for value, ids in progress(parts.items(), facet, unit="slice"):
            if (part := _of_videos(set(ids), qrels, runs, interval)).count:
                found.setdefault(facet, {})[value] = part
    return found


def _by_value(known: Mapping[str, str | None]) -> dict[str, list[str]]:
    """Ids by value, in the order of the values; none where nothing is known."""
    if not any(known.values()):
        return {}
    values = sorted({value or UNKNOWN for value in known.values()})
    return {value: [one for one, its in known.items() if (its or UNKNOWN) == value] for value in values}


def _of_videos(chosen: set[str], qrels: Qrels, runs: Mapping[str, Run], interval: Interval) -> Slice:
    others = {
        query_id: {video for video, relevance in judged.items() if relevance > 0 and video not in chosen}
        for query_id, judged in qrels.items()
    }
    kept = {query_id: _without(judged, others[query_id]) for query_id, judged in qrels.items()}
    narrowed = {query_id: judged for query_id, judged in kept.items() if any(judged.values())}
    values = {}
    for name, run in runs.items():
        ranking = {query_id: _without(run.get(query_id, {}), others[query_id]) for query_id in narrowed}
        values[name] = per_query(ranking, narrowed)
    return _slice(values, interval)


def _without(of_videos: Mapping[str, T], unwanted: set[str]) -> dict[str, T]:
    return {video: one for video, one in of_videos.items() if video not in unwanted}


def _slice(values: Mapping[str, PerQuery], interval: Interval) -> Slice:
    count = max((len(one) for one in values.values()), default=0)
    if not count:
        return Slice(0, {})
    numbers = {name: headline(one) for name, one in values.items()}
    return Slice(
        count, {name: {HEADLINE: sum(one) / count, "interval": interval(one)} for name, one in numbers.items()}
    )
