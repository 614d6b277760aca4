"""Sample queries with what the leading system found for them; without queries, sample videos."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.report.evidence import Evidence
from tasks.report.strips import Picture, filmstrip, spread
from tasks.report.tables import TYPE_ORDER
from tasks.shared.artifacts.corpus import Query, positives_of
from tasks.shared.runtime.progress import progress

KINDS = ("best", "median", "worst")


@dataclass(frozen=True)
class Sample:
    """A query of the page. Videos are named by their ids.

    Attributes:
        kind: which of its type it is by nDCG@10; ndcg: that number. None where nothing is judged.
        positives: judged relevant.
        results: the leading system's first, with their scores.
        first: by system, the rank of the first relevant video, None where the ranking has none, and its length.
    """

    query: Query
    kind: str | None
    ndcg: float | None
    positives: list[str]
    results: dict[str, float]
    first: dict[str, tuple[int | None, int]]

    @property
    def absent(self) -> str | None:
        """The first positive that is not among the results; None where there are no results."""
        others = (video_id for video_id in self.positives if video_id not in self.results)
        return next(others, None) if self.results else None


def samples(evidence: Evidence, wanted: int, depth: int) -> list[Sample]:
    """Up to `wanted` test queries with the leading system's first `depth` results; none where nothing was ranked."""
    if evidence.lead is None:
        return []
    return [_sample(evidence, evidence.lead, query, kind, depth) for query, kind in choose(evidence, wanted)]


def choose(evidence: Evidence, wanted: int) -> list[tuple[Query, str | None]]:
    """Queries in turn from each type, by turns the best, the median and the worst by the leading system's nDCG@10.

    The choice depends on ids and scores alone. Where nothing is judged: evenly over the ids.
    """
    scored = evidence.ndcg.get(evidence.lead or "", {})
    if not scored:
        queries = evidence.test_queries()
        return [(queries[place], None) for place in spread(len(queries), wanted)]
    by_type: dict[str, list[Query]] = {}
    for query_id in sorted(scored, key=lambda query_id: (-scored[query_id], query_id)):  # best first
        query = evidence.queries[query_id]
        by_type.setdefault(query.type or "", []).append(query)
    known = {kind: place for place, kind in enumerate(TYPE_ORDER)}
    types = sorted(by_type, key=lambda kind: (known.get(kind, len(known)), kind))
    chosen: list[tuple[Query, str | None]] = []
    while len(chosen) < wanted and any(by_type.values()):
        for query_type in types:
            left = by_type[query_type]
            if left and len(chosen) < wanted:
                kind = KINDS[len(chosen) % len(KINDS)]
                place = {"best": 0, "median": (len(left) - 1) // 2, "worst": len(left) - 1}[kind]
                chosen.append((left.pop(place), kind))
    return chosen


def _sample(evidence: Evidence, lead: str, query: Query, kind: str | None, depth: int) -> Sample:
    positives = positives_of(evidence.qrels, query.query_id)
    rankings = {name: list(run.get(query.query_id, {})) for name, run in evidence.runs.items()}
    results = {video_id: evidence.runs[lead][query.query_id][video_id] for video_id in rankings[lead][:depth]}
    first: dict[str, tuple[int | None, int]] = {}
    for name, ranking in rankings.items() if positives else ():
        rank = next((rank for rank, video_id in enumerate(ranking, start=1) if video_id in positives), None)
        first[name] = rank, len(ranking)
    ndcg = evidence.ndcg.get(lead, {}).get(query.query_id)
    return Sample(query, kind, ndcg, positives, results, first)


def sample_videos(evidence: Evidence, wanted: int) -> list[str]:
    """Extracted test videos, evenly over the ids, the ones with picture first."""
    extracted = [video.video_id for video in evidence.test_videos() if video.video_id in evidence.media]
    with_picture = [video_id for video_id in extracted if evidence.media[video_id].frames]
    without = [video_id for video_id in extracted if not evidence.media[video_id].frames]
    return [*(with_picture[place] for place in spread(len(with_picture), wanted)), *without][:wanted]


def strips_of(evidence: Evidence, shown: list[Sample], videos: list[str]) -> dict[str, list[Picture]]:
    """The filmstrip of every video that is to be seen, by its id."""
    seen = dict.fromkeys([*videos, *(one for sample in shown for one in (*sample.results, sample.absent) if one)])
    folder = evidence.root / "extract"
    return {one: filmstrip(evidence.media.get(one), folder) for one in progress([*seen], "samples", unit="video")}
