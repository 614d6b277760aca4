"""The facts counted: likely false negatives, what negatives are made of, and how mining and training used them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from tasks.negatives.data import NegativesData
from tasks.negatives.facts import Fact, within
from tasks.negatives.similarity import KINDS
from tasks.shared.artifacts.exposures import Role

SOME = 0.05  # shares above which something is worth a line of advice
MANY = 0.2
HUBS = 0.1  # share of all negatives that 1 % of the videos may be
POINTS = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}

Quantiles = dict[str, float]  # `count`, and by name of POINTS (linear between neighbours)


@dataclass(frozen=True)
class Count:
    """How many there are, of how many; `what` says of what, `advice` what to do where the share is above `limit`."""

    what: str
    count: int
    of: int
    advice: str = field(default="", repr=False)
    limit: float = field(default=0.0, repr=False)

    def __str__(self) -> str:
        return f"{self.count} of {self.of}" + (f" ({self.count / self.of:.1%})" if self.of else "")

    def warning(self) -> list[str]:
        """The advice, where it is due."""
        due = self.advice and self.of and self.count / self.of > self.limit
        return [f"{self} {self.what}: {self.advice}"] if due else []


def counted(what: str, found: Iterable[bool | None], advice: str = "", limit: float = 0.0) -> Count:
    """How many are so, of those of which it is known."""
    known = [one for one in found if one is not None]
    return Count(what, sum(known), len(known), advice, limit)


def quantiles(values: Iterable[float | None]) -> Quantiles | None:
    """The quantiles of the values that are known; None of none."""
    known = [one for one in values if one is not None]
    if not known:
        return None
    points = np.quantile(np.array(known, np.float64), list(POINTS.values())).tolist()
    return {"count": len(known), **dict(zip(POINTS, points, strict=True))}


def likely_false(data: NegativesData, facts: Sequence[Fact]) -> dict[str, Count]:
    """How many negatives may be relevant, by their score, their event, the qrels, or as duplicates of a positive."""
    margin = data.param("mine.relative_margin")
    gaps = [(one.score, one.gap) for one in facts if one.score is not None and one.gap is not None]
    above_own = [margin is not None and within(score, score + gap, margin) for score, gap in gaps]
    above = (None if one.band is None else one.band == "above" for one in facts)
    duplicated = [{kind for kinds in one.duplicates.values() for kind in kinds} for one in facts]
    judge = "judge them (suspects below, or --sample) and add what is relevant to the training qrels"
    return {
        "judged_relevant": counted(
            "negatives are judged relevant in the training qrels",
            ((one.judged or 0) > 0 for one in facts),
            "mine read other judgments; `dvc repro mine`",
        ),
        "judged_irrelevant": counted("negatives are judged not relevant there", (one.judged == 0 for one in facts)),
        "above_own": counted(
            f"scored negatives are above what mine.relative_margin = {margin} allows",
            above_own,
            "negatives.jsonl is not as mining wrote it; `reeltrace audit verify`",
        ),
        "at_or_above": counted("scored negatives are at or above the weakest scored positive", above),
        "above_95": counted(
            "scored negatives are above 95 % of the weakest scored positive (TopK-PercPos)",
            (one.too_close for one in facts),
            "set mine.relative_margin to 0.05 and compare with `reeltrace audit diff`, or judge a --sample",
            SOME,
        ),
        "unchecked": counted(
            "negatives have no scored positive to compare with",
            (one.band is None for one in facts),
            "no speech was recognised in it, and no margin protects its query" if data.has_scores else "",
            SOME,
        ),
        "same_event": counted("negatives are of their query's event", (one.same_event for one in facts), judge),
        **{
            name: counted(f"negatives duplicate a positive: {what}", (name in kinds for kinds in duplicated))
            for name, what in KINDS.items()
        },
        "duplicates": counted("negatives duplicate a positive in any of these", map(bool, duplicated), judge),
    }


def mixes_of(data: NegativesData) -> dict[str, dict[str, int | None]]:
    """What negatives, positives and all training videos are made of: videos by property, each as often as it serves a
    query; None where that is unknown."""
    mixes = {
        "negatives": _mix(data, [(one.query_id, each.video_id) for one in data.mined for each in one.negatives]),
        "positives": _mix(data, [(one.query_id, each) for one in data.mined for each in one.positives]),
        "all training videos": _mix(data, [(None, video_id) for video_id in data.videos]),
    }
    unknown = [name for name, has in data.modalities(next(iter(data.videos), "")).items() if has is None]
    names = sorted({name for mix in mixes.values() for name in mix}.union(unknown))
    return {name: {of: None if name in unknown else mix[name] for of, mix in mixes.items()} for name in names}


def _mix(data: NegativesData, pairs: Iterable[tuple[str | None, str]]) -> Counter[str]:
    found: Counter[str] = Counter(videos=0)
    for query_id, video_id in pairs:
        video = data.videos[video_id]
        found.update(name for name, has in data.modalities(video_id).items() if has)
        found.update(["videos", f"language {video.language or 'unknown'}", f"type {video.video_type or 'unknown'}"])
        asked = data.queries[query_id].language if query_id else None
        if asked and video.language:
            found["in the query's language" if asked == video.language else "in another language than the query"] += 1
    return found


def usage_of(data: NegativesData, times: Counter[str]) -> dict[str, Count]:
    """How negatives are spread over videos and queries, what mining dropped, and what training showed.

    `times` says of how many queries a video is a negative.
    """
    most = sum(count for _, count in times.most_common(max(1, len(data.videos) // 100)))
    hubs = "hubs; another retriever.model or mine.source spreads them" if len(data.videos) >= 100 else ""
    keep = data.param("mine.keep")
    short = [one for one in data.mined if len(one.negatives) < keep]
    wider = "a larger mine.depth may give them more, and so does a smaller mine.relative_margin where that dropped some"
    dropped = Counter(drop.reason for one in data.mined for drop in one.dropped)
    candidates = times.total() + dropped.total()
    by_margin = (any(drop.reason == "margin" for drop in one.dropped) for one in short)
    found = {
        "never": counted("training videos are no query's negative", (one not in times for one in data.videos)),
        "top": Count("negatives are the most used 1 % of the videos", most, times.total(), hubs, HUBS),
        "short": Count(f"queries have fewer than mine.keep = {keep}", len(short), len(data.mined), wider, SOME),
        "none": counted("queries have no negative", (not one.negatives for one in data.mined)),
        "short_by_margin": counted("of these short queries lost candidates to the margin", by_margin),
        "dropped_positive": Count("candidates were dropped as judged relevant", dropped["positive"], candidates),
        "dropped_margin": Count("candidates were dropped by mine.relative_margin", dropped["margin"], candidates),
    }
    if data.exposures is not None:
        shown = {(one.query_id, one.video_id) for one in data.exposures if one.role == "mined"}
        found["not_shown"] = counted(
            "mined negatives were not shown in training",
            ((one.query_id, each.video_id) not in shown for one in data.mined for each in one.negatives),
            "train.negatives is smaller than mine.keep, or there were few epochs",
            MANY,
        )
        roles = [one.role for one in data.exposures for _ in one.steps if one.role != "positive"]
        found["drawn"] = counted(
            "negatives shown in training were drawn at random",
            (one == "drawn" for one in roles),
            "mining found too few",
            MANY,
        )
    return found


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
