"""The facts counted: likely false negatives, what negatives are made of, and how mining and training used them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np

from tasks.mine.filtering import threshold
from tasks.negatives.data import NegativesData
from tasks.negatives.facts import ROUNDED, Fact
from tasks.negatives.similarity import KINDS
from tasks.shared.artifacts.exposures import Role

POINTS = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}
MODALITIES = ("picture", "sound", "speech", "metadata")
TOP = 10  # most used videos that are named

Quantiles = dict[str, float]  # `count`, and by name of POINTS (linear between neighbours)
Mix = dict[str, int | None]  # videos by property, each counted once for every query it serves; None: unknown


@dataclass(frozen=True)
class Count:
    """How many there are, of how many; `what` says of what."""

    what: str
    count: int
    of: int

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing."""
        return self.count / self.of if self.of else 0.0

    def __str__(self) -> str:
        return f"{self.count} of {self.of}" + (f" ({100 * self.share:.1f} %)" if self.of else "")


@dataclass(frozen=True)
class UsedVideo:
    """A video and of how many queries it is a negative."""

    video_id: str
    title: str | None
    queries: int


def quantiles(values: Collection[float]) -> Quantiles | None:
    """The quantiles of some values; None of none."""
    if not values:
        return None
    points = np.quantile(np.array(list(values), np.float64), list(POINTS.values())).tolist()
    return {"count": len(values), **dict(zip(POINTS, points, strict=True))}


def scores_of(data: NegativesData, facts: Sequence[Fact]) -> dict[str, Quantiles | None]:
    """Scores and ranks of negatives in the mining retriever's list; gap: the weakest positive's score less theirs."""
    return {
        "negatives": quantiles([one.score for one in facts if one.score is not None]),
        "positives": quantiles([score for one in data.mined for score in one.positive_scores.values()]),
        "gap": quantiles([one.gap for one in facts if one.gap is not None]),
        "rank": quantiles([one.rank for one in facts]),
    }


def likely_false(data: NegativesData, facts: Sequence[Fact]) -> dict[str, Count]:
    """How many negatives may be relevant, by their score, their event, the qrels, or as duplicates of a positive."""
    own = data.param("mine.relative_margin")
    limits = {one.query_id: threshold(one.positive_scores.values(), own) for one in data.mined}
    checked = [one for one in facts if one.band != "unchecked"]
    scored = [(one.score, limits[one.query_id]) for one in checked]
    above_own = (score is not None and limit is not None and score > limit + ROUNDED for score, limit in scored)
    known = [one for one in facts if one.event != "unknown"]
    judged = [one.judged for one in facts if one.judged is not None]
    duplicated = [{kind for found in one.duplicates.values() for kind in found} for one in facts]

    def count(what: str, found: Iterable[object], among: Collection[object] = facts) -> Count:
        return Count(what, sum(map(bool, found)), len(among))

    return {
        "at_or_above": count("at or above the weakest scored positive", (f.band == "above" for f in checked), checked),
        "above_95": count("above 95 % of it (TopK-PercPos)", (one.too_close for one in checked), checked),
        "above_own": count("above what mine.relative_margin allows", above_own, checked),
        "unchecked": count("without a scored positive to compare with", (one.band == "unchecked" for one in facts)),
        "same_event": count("of the query's event", (one.event == "same" for one in known), known),
        **{
            name: count(f"duplicates of a positive: {what}", (name in kinds for kinds in duplicated))
            for name, what in KINDS.items()
        },
        "duplicates": count("duplicates of a positive of any of these kinds", duplicated),
        "judged_relevant": count("judged relevant in the training qrels", (relevance > 0 for relevance in judged)),
        "judged_irrelevant": count("judged not relevant there", (relevance <= 0 for relevance in judged)),
    }


def mixes_of(data: NegativesData) -> dict[str, Mix]:
    """What negatives, positives and all training videos are made of."""
    positives = [(one.query_id, video_id) for one in data.mined for video_id in one.positives]
    return {
        "negatives": _mix(data, [(one.query_id, each.video_id) for one in data.mined for each in one.negatives]),
        "positives": _mix(data, [(query_id, video_id) for query_id, video_id in positives if video_id in data.videos]),
        "all training videos": _mix(data, [(None, video_id) for video_id in data.videos]),
    }


def modalities_of(data: NegativesData, video_id: str) -> dict[str, bool | None]:
    """Whether a video has a picture, sound, recognised speech, and title, description or caption; None: unknown."""
    video = data.videos[video_id]
    media = (data.media or {}).get(video_id)
    return {
        "picture": None if data.media is None else media is not None and media.frames is not None,
        "sound": None if data.media is None else media is not None and media.audio is not None,
        "speech": None if data.texts is None else video_id in data.texts,
        "metadata": any((video.title, video.description, video.caption)),
    }


def usage_of(data: NegativesData) -> dict[str, Count]:
    """How negatives are spread over videos and queries, what mining dropped, and what training showed."""
    times = Counter(one.video_id for mined in data.mined for one in mined.negatives)
    most = times.most_common(max(1, len(data.videos) // 100))
    keep, queries, videos = data.param("mine.keep"), len(data.mined), len(data.videos)
    short = [one for one in data.mined if len(one.negatives) < keep]
    by_margin = sum(any(drop.reason == "margin" for drop in one.dropped) for one in short)
    dropped = Counter(drop.reason for one in data.mined for drop in one.dropped)
    candidates = times.total() + dropped.total()
    found = {
        "never": Count("training videos that are no query's negative", videos - len(times), videos),
        "top": Count("negatives that are the most used 1 % of the videos", sum(n for _, n in most), times.total()),
        "short": Count(f"queries with fewer negatives than mine.keep = {keep}", len(short), queries),
        "none": Count("queries with no negative", sum(not one.negatives for one in data.mined), queries),
        "short_by_margin": Count("short queries that lost candidates to the margin", by_margin, len(short)),
        "dropped_positive": Count("candidates dropped as judged relevant", dropped["positive"], candidates),
        "dropped_margin": Count("candidates dropped by mine.relative_margin", dropped["margin"], candidates),
    }
    if data.exposures is not None:
        shown = {(one.query_id, one.video_id) for one in data.exposures if one.role == "mined"}
        both = sum((one.query_id, each.video_id) in shown for one in data.mined for each in one.negatives)
        found["shown"] = Count("mined negatives that training showed", both, times.total())
    return found


def most_used(data: NegativesData) -> list[UsedVideo]:
    """The videos that are negatives of the most queries."""
    times = Counter(one.video_id for mined in data.mined for one in mined.negatives)
    first = sorted(times, key=lambda video_id: (-times[video_id], video_id))[:TOP]
    return [UsedVideo(one, data.videos[one].title, times[one]) for one in first]


def training_of(data: NegativesData) -> dict[str, dict[str, int]] | None:
    """What training showed, by role; None where that is unknown.

    Of each role the pairs of query and video, how often they were shown, how many different videos they are, and how
    often other queries of the batches had these as in-batch negatives.
    """
    if data.exposures is None:
        return None
    by_role = {role: [one for one in data.exposures if one.role == role] for role in get_args(Role)}
    return {
        role: {
            "pairs": len(found),
            "times": sum(len(one.steps) for one in found),
            "videos": len({one.video_id for one in found}),
            "in-batch": sum(one.others for one in found),
        }
        for role, found in by_role.items()
    }


def _mix(data: NegativesData, pairs: Sequence[tuple[str | None, str]]) -> Mix:
    found: Counter[str] = Counter()
    languages = []
    for query_id, video_id in pairs:
        video = data.videos[video_id]
        found.update(name for name, has in modalities_of(data, video_id).items() if has)
        found.update([f"language {video.language or 'unknown'}", f"type {video.video_type or 'unknown'}"])
        if query_id is not None:
            languages.append((data.queries[query_id].language, video.language))
    known = [(asked, own) for asked, own in languages if asked is not None and own is not None]
    unknown = [*(MODALITIES[:2] if data.media is None else ()), *(MODALITIES[2:3] if data.texts is None else ())]
    return {
        "videos": len(pairs),
        **{name: None if name in unknown else found.pop(name, 0) for name in MODALITIES},
        **dict(sorted(found.items())),
        "query's language known": len(known) if languages else None,
        "in the query's language": sum(asked == own for asked, own in known) if languages else None,
    }
