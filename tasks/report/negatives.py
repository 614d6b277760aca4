"""The mined negatives: how many, what was dropped and why, and a few to look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tasks.report.evidence import Evidence
from tasks.report.samples import title_of
from tasks.report.strips import spread
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.negatives import DropReason, MinedQuery

EXAMPLES = 3
REASONS: dict[DropReason, str] = {
    "positive": "judged relevant to the query",
    "margin": "scored too close to the weakest judged positive",
}


@dataclass(frozen=True)
class Titled:
    """A video by its title, with rank and score in the mining retriever's list where it is a negative."""

    video: Video
    title: str
    rank: int | None = None
    score: float | None = None


@dataclass(frozen=True)
class Example:
    """A training query with its positives and its negatives."""

    query: Query
    positives: list[Titled]
    negatives: list[Titled]


@dataclass(frozen=True)
class Mined:
    """Numbers of the mine stage.

    Attributes:
        by_count: how many queries kept how many negatives, fewest first.
        same_event: negatives that show the event of a positive, so may be relevant though not judged so;
            None where the corpus knows no events.
    """

    source: str
    queries: int
    kept: int
    by_count: dict[int, int]
    dropped: list[tuple[str, str, int]]
    same_event: int | None
    examples: list[Example]


def mined(evidence: Evidence) -> Mined | None:
    """What was mined; None where there was no training query."""
    if not evidence.mined:
        return None
    reasons = Counter(drop.reason for one in evidence.mined for drop in one.dropped)
    usable = [one for one in evidence.mined if one.negatives]
    return Mined(
        source=evidence.lineage.execution("mine").params["mine"]["source"],
        queries=len(evidence.mined),
        kept=sum(len(one.negatives) for one in evidence.mined),
        by_count=dict(sorted(Counter(len(one.negatives) for one in evidence.mined).items())),
        dropped=[(reason, REASONS[reason], reasons[reason]) for reason in REASONS if reasons[reason]],
        same_event=_same_event(evidence),
        examples=[_example(evidence, usable[place]) for place in spread(len(usable), EXAMPLES)],
    )


def _same_event(evidence: Evidence) -> int | None:
    if not any(video.event for video in evidence.videos.values()):
        return None
    total = 0
    for one in evidence.mined:
        events = {evidence.videos[video_id].event for video_id in one.positives} - {None}
        total += sum(evidence.videos[negative.video_id].event in events for negative in one.negatives)
    return total


def _example(evidence: Evidence, one: MinedQuery) -> Example:
    return Example(
        evidence.queries[one.query_id],
        [_titled(evidence, video_id) for video_id in one.positives],
        [_titled(evidence, negative.video_id, negative.rank, negative.score) for negative in one.negatives],
    )


def _titled(evidence: Evidence, video_id: str, rank: int | None = None, score: float | None = None) -> Titled:
    video = evidence.videos[video_id]
    return Titled(video, title_of(video), rank, score)
