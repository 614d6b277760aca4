"""Tracing one video's rank for a query back to the files it was made of, by digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tasks.audit.ancestry import Ancestry, ancestry
from tasks.audit.trace.trace import judgments_of, query_of, ranking_of, systems_of, values_of
from tasks.lineage.items import VideoLineage, altered_of, exposures_of, video_lineages
from tasks.lineage.lineage import FINAL
from tasks.lineage.score import Score
from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.exposures import Altered, Exposure
from tasks.shared.artifacts.scores import HEADLINE

CUTOFF = 10  # of the headline measure


@dataclass(frozen=True)
class Place:
    """A video's place in one system's ranking; rank is None where the ranking does not have it."""

    rank: int | None
    similarity: float | None
    ranked: int


@dataclass(frozen=True)
class Neighbour:
    """A video ranked just above or below."""

    rank: int
    video_id: str
    similarity: float
    relevance: int | None


@dataclass(frozen=True)
class PairTrace:
    """Why a video has its rank for a query.

    Attributes:
        places: by system.
        neighbours: in the final system's ranking, from the first to those around the video.
        gain: what the video adds to the final system's nDCG@10 of the query, and ndcg, all of it; None unjudged.
        shown: what training showed of the video; None where that was not recorded or nothing was trained.
        altered: how training showed it otherwise than it is, or something of it in another one's place.
    """

    query: Query
    lineage: VideoLineage
    relevance: int | None
    system: str | None
    places: dict[str, Place]
    neighbours: list[Neighbour]
    gain: float | None
    ndcg: float | None
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry


def trace_pair(score: Score) -> PairTrace:
    """Why a video has its rank for a query."""
    state, query = score.lineage, query_of(score)
    video_id = str(score.video_id)
    ran = systems_of(state) if query.split == "test" else []
    rankings = {name: ranking_of(state, name, query) for name in ran}
    judged = judgments_of(state, query)
    system = next(iter(rankings), None)
    final = rankings[system] if system else {}
    return PairTrace(
        query=query,
        lineage=video_lineages(state, [video_id])[video_id],
        relevance=judged.get(video_id),
        system=system,
        places={name: _place(ranking, video_id) for name, ranking in rankings.items()},
        neighbours=_neighbours(final, video_id, judged),
        gain=gain_at_10(final, judged, video_id) if system else None,
        ndcg=values_of(state, query).get(system, {}).get(HEADLINE) if system else None,
        shown=exposures_of(state, video_ids=[video_id]),
        altered=altered_of(state, video_ids=[video_id]),
        ancestry=ancestry(state, FINAL if system else "train"),
    )


def gain_at_10(ranking: Mapping[str, float], judged: Mapping[str, int], video_id: str) -> float | None:
    """What a video adds to nDCG@10: its relevance / log2(1 + rank) over that of the ideal ranking.

    Gains are linear, as trec_eval has them (Järvelin and Kekäläinen 2002). None where nothing is judged relevant.
    """
    ideal = sorted((relevance for relevance in judged.values() if relevance > 0), reverse=True)[:CUTOFF]
    if not ideal:
        return None
    rank = list(ranking).index(video_id) + 1 if video_id in ranking else None
    if rank is None or rank > CUTOFF:
        return 0.0
    best = sum(relevance / math.log2(1 + place) for place, relevance in enumerate(ideal, start=1))
    return max(judged.get(video_id, 0), 0) / math.log2(1 + rank) / best


def _place(ranking: Mapping[str, float], video_id: str) -> Place:
    if video_id not in ranking:
        return Place(None, None, len(ranking))
    return Place(list(ranking).index(video_id) + 1, ranking[video_id], len(ranking))


def _neighbours(ranking: Mapping[str, float], video_id: str, judged: Mapping[str, int]) -> list[Neighbour]:
    """The first three, and two on either side of the video."""
    ids = list(ranking)
    at = ids.index(video_id) if video_id in ranking else None
    wanted = {0, 1, 2} | (set(range(at - 2, at + 3)) if at is not None else set())
    return [
        Neighbour(place + 1, ids[place], ranking[ids[place]], judged.get(ids[place]))
        for place in sorted(wanted)
        if 0 <= place < len(ids)
    ]
