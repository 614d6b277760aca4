"""Tracing one video's rank for a query back to the files it was made of, by digests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tasks.audit.ancestry import Ancestry, ancestry
from tasks.audit.trace.trace import of_query
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
class PairTrace:
    """Why a video has its rank for a query.

    Attributes:
        places: by system.
        neighbours: rank, video, similarity and relevance of the final system's first three videos, and of two on either
            side of this one.
        gain: what the video adds to the final system's nDCG@10 of the query, and ndcg, all of it; None unjudged.
        shown: what training showed of the video; None where that was not recorded or nothing was trained.
        altered: how training showed it otherwise than it is, or something of it in another one's place.
    """

    query: Query
    lineage: VideoLineage
    relevance: int | None
    system: str | None
    places: dict[str, Place]
    neighbours: list[dict[str, Any]]
    gain: float | None
    ndcg: float | None
    shown: list[Exposure] | None
    altered: list[Altered]
    ancestry: Ancestry


def trace_pair(score: Score) -> PairTrace:
    """Why a video has its rank for a query."""
    state, video_id, (query, rankings, judged, values) = score.lineage, str(score.video_id), of_query(score)
    system = next(iter(rankings), None)
    final = rankings[system] if system else {}
    ids = list(final)
    near = {0, 1, 2} | {ids.index(video_id) + step for step in range(-2, 3) if video_id in final}
    return PairTrace(
        query=query,
        lineage=video_lineages(state, [video_id])[video_id],
        relevance=judged.get(video_id),
        system=system,
        places={name: Place(rank_of(one, video_id), one.get(video_id), len(one)) for name, one in rankings.items()},
        neighbours=[
            {"rank": place + 1, "video_id": one, "similarity": final[one], "relevance": judged.get(one)}
            for place, one in enumerate(ids)
            if place in near
        ],
        gain=gain_at_10(final, judged, video_id) if system else None,
        ndcg=values.get(system, {}).get(HEADLINE) if system else None,
        shown=exposures_of(state, video_ids=[video_id]),
        altered=altered_of(state, video_ids=[video_id]),
        ancestry=ancestry(state, FINAL if system else "train"),
    )


def rank_of(ranking: Mapping[str, float], video_id: str) -> int | None:
    """A video's rank, from 1."""
    return list(ranking).index(video_id) + 1 if video_id in ranking else None


def gain_at_10(ranking: Mapping[str, float], judged: Mapping[str, int], video_id: str) -> float | None:
    """What a video adds to nDCG@10: its relevance / log2(1 + rank) over that of the ideal ranking.

    Gains are linear, as trec_eval has them (Järvelin and Kekäläinen 2002). None where nothing is judged relevant.
    """
    ideal = sorted((relevance for relevance in judged.values() if relevance > 0), reverse=True)[:CUTOFF]
    if not ideal:
        return None
    rank = rank_of(ranking, video_id)
    if rank is None or rank > CUTOFF:
        return 0.0
    best = sum(relevance / math.log2(1 + place) for place, relevance in enumerate(ideal, start=1))
    return max(judged.get(video_id, 0), 0) / math.log2(1 + rank) / best
