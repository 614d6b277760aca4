"""The mined negatives: how many, what was dropped and why, and a few to look at."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tasks.report.evidence import Evidence
from tasks.report.strips import spread
from tasks.shared.artifacts.negatives import DropReason

EXAMPLES = 3
REASONS: dict[DropReason, str] = {
    "positive": "judged relevant to the query",
    "margin": "scored too close to the weakest judged positive",
}


def mined(evidence: Evidence) -> dict[str, Any] | None:
    """What was mined: `by_count` is how many queries kept how many negatives. None without a training query."""
    if not evidence.mined:
        return None
    reasons = Counter(drop.reason for one in evidence.mined for drop in one.dropped)
    usable = [one for one in evidence.mined if one.negatives]
    return {
        "source": evidence.lineage.execution("mine").param("mine.source"),
        "kept": sum(len(one.negatives) for one in evidence.mined),
        "by_count": dict(sorted(Counter(len(one.negatives) for one in evidence.mined).items())),
        "dropped": [(what, reasons[reason]) for reason, what in REASONS.items() if reasons[reason]],
        "same_event": _same_event(evidence),
        "examples": [usable[place] for place in spread(len(usable), EXAMPLES)],
    }


def _same_event(evidence: Evidence) -> int | None:
    """Negatives that show the event of a positive, so may be relevant though not judged so; None without events."""
    events = {video_id: video.event for video_id, video in evidence.videos.items() if video.event}
    if not events:
        return None
    shown = [({events.get(video_id) for video_id in one.positives} - {None}, one.negatives) for one in evidence.mined]
    return sum(events.get(negative.video_id) in of for of, negatives in shown for negative in negatives)
