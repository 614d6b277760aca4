"""How often each video serves as a negative, what was dropped, and what training really showed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from tasks.audit.negatives.material import Material
from tasks.audit.negatives.scores import Spread, spread
from tasks.shared.artifacts.negatives import DropReason

TOP = 10
BINS = ((0, 0), (1, 1), (2, 2), (3, 4), (5, 9), (10, 19), (20, 49), (50, 99), (100, None))  # times, to and with
REASONS: dict[DropReason, str] = {
    "positive": "judged relevant to the query",
    "margin": "above what mine.relative_margin allows",
}


@dataclass(frozen=True)
class Served:
    """A video and of how many queries it is a negative."""

    video_id: str
    title: str | None
    times: int
    share: float  # of all negatives


@dataclass(frozen=True)
class Usage:
    """How evenly negatives are spread over training videos.

    Attributes:
        histogram: videos by how often they serve, `{"3-4": videos}`.
        never: videos that serve for no query.
        gini: 0 where all serve alike, towards 1 where few serve for all; None without negatives.
        top_share: share of all negatives that the most used 1 % of the videos are (at least one video).
    """

    videos: int
    negatives: int
    histogram: dict[str, int]
    never: int
    gini: float | None
    top_share: float | None
    most: list[Served]


@dataclass(frozen=True)
class Drops:
    """What was retrieved and not taken.

    Attributes:
        counts, ranks: by reason.
        queries: mined; short: with fewer negatives than mine.keep; none: with none at all.
        short_by_margin: short ones that lost candidates to the margin.
    """

    counts: dict[str, int]
    ranks: dict[str, Spread | None]
    queries: int
    short: int
    none: int
    short_by_margin: int


@dataclass(frozen=True)
class Shown:
    """What training showed in one role: pairs of query and video, how often in all, how many different videos.

    `in_batch` is how often other queries of the batches had it as their in-batch negative.
    """

    pairs: int
    times: int
    videos: int
    in_batch: int


@dataclass(frozen=True)
class Training:
    """What training showed, by role; and mined negatives that it never showed."""

    roles: dict[str, Shown]
    mined_unseen: int
    drawn_same_event: int  # drawn at random, and of the query's event


def usage(material: Material) -> Usage:
    """Over all training videos, those that never serve included."""
    times = Counter(one.video_id for mined in material.mined for one in mined.negatives)
    total, videos = times.total(), len(material.videos)
    counts = np.zeros(videos, np.int64)
    counts[: len(times)] = sorted(times.values(), reverse=True)
    first = sorted(times, key=lambda video_id: (-times[video_id], video_id))[:TOP]
    return Usage(
        videos=videos,
        negatives=total,
        histogram={
            _bin(low, high): count
            for low, high in BINS
            if (count := int(((counts >= low) & (counts <= (total if high is None else high))).sum()))
        },
        never=videos - len(times),
        gini=gini(counts),
        top_share=float(counts[: max(1, videos // 100)].sum() / total) if total else None,
        most=[Served(one, material.videos[one].title, times[one], times[one] / total) for one in first],
    )


def gini(counts: np.ndarray) -> float | None:
    """Gini's coefficient of counts, zeros included: sum of (2 i - n - 1) x_i over n times their sum, x ascending."""
    ordered = np.sort(counts)
    if not ordered.sum():
        return None
    places = np.arange(1, len(ordered) + 1)
    return float(((2 * places - len(ordered) - 1) * ordered).sum() / (len(ordered) * ordered.sum()))


def drops(material: Material) -> Drops:
    """By reason, and the queries that found too few."""
    ranks: dict[str, list[int]] = {reason: [] for reason in REASONS}
    for one in material.mined:
        for drop in one.dropped:
            ranks[drop.reason].append(drop.rank)
    short = [one for one in material.mined if len(one.negatives) < material.keep]
    return Drops(
        counts={reason: len(found) for reason, found in ranks.items()},
        ranks={reason: spread(found) for reason, found in ranks.items()},
        queries=len(material.mined),
        short=len(short),
        none=sum(not one.negatives for one in material.mined),
        short_by_margin=sum(any(drop.reason == "margin" for drop in one.dropped) for one in short),
    )


def training(material: Material) -> Training | None:
    """What training showed; None where that cannot be told."""
    if material.exposures is None:
        return None
    by_role = {role: [one for one in material.exposures if one.role == role] for role in ("positive", "mined", "drawn")}
    seen = {(one.query_id, one.video_id) for one in by_role["mined"]}
    pairs = [(mined.query_id, one.video_id) for mined in material.mined for one in mined.negatives]
    return Training(
        roles={
            role: Shown(
                pairs=len(found),
                times=sum(len(one.steps) for one in found),
                videos=len({one.video_id for one in found}),
                in_batch=sum(one.others for one in found),
            )
            for role, found in by_role.items()
        },
        mined_unseen=sum(pair not in seen for pair in pairs),
        drawn_same_event=sum(_same_event(material, one.query_id, one.video_id) for one in by_role["drawn"]),
    )


def _same_event(material: Material, query_id: str, video_id: str) -> bool:
    query, video = material.queries.get(query_id), material.videos.get(video_id)
    return query is not None and video is not None and query.event is not None and query.event == video.event


def times_shown(material: Material, query_id: str) -> dict[str, dict[str, int]]:
    """Of one query: by video and role, how often training showed it."""
    found: dict[str, dict[str, int]] = {}
    for one in material.exposures or []:
        if one.query_id == query_id:
            found.setdefault(one.video_id, {})[one.role] = len(one.steps)
    return found


def _bin(low: int, high: int | None) -> str:
    return f"{low}+" if high is None else str(low) if low == high else f"{low}-{high}"
