"""One query's negatives as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.audit.negatives.usage import REASONS
from tasks.audit.negatives.view_parts import flags, show_lines, show_origin
from tasks.audit.text import shortened, show, table

if TYPE_CHECKING:
    from tasks.audit.negatives.query import QueryAudit, Shown

NAMED = 10  # drops of a reason
WORDS = 60  # characters of a transcript
TITLE = 28
ABOUT = ("language", "lacks", "in training", "title", "said")


def show_query(one: QueryAudit) -> None:
    """Its positives, its negatives one by one, and what was dropped."""
    query = one.query
    facts = [query.language, query.type, query.event and f"event {query.event}"]
    known = ", ".join(filter(None, facts)) or "nothing else known"
    show(f"query {query.query_id}: “{query.text}” ({known})")
    show_origin(one.origin)
    columns = ["video", "score", "rank", "relevance", *ABOUT]
    rows: list[list[Any]] = [
        [each.video.video_id, each.score, each.rank, each.relevance, *_about(each.video)] for each in one.positives
    ]
    show(table("Positives", columns, rows, right=["score", "rank", "relevance"]))
    columns = ["video", "rank", "score", "gap", "flags", *ABOUT]
    rows = [
        [each.video.video_id, each.fact.rank, each.fact.score, each.fact.gap, flags(each.fact), *_about(each.video)]
        for each in one.negatives
    ]
    gap = "gap: the weakest scored positive's score less its own"
    show(f"Negatives: {len(rows)} of {one.wanted} wanted; {gap}")
    if rows:
        show(table("", columns, rows, right=["rank", "score", "gap"]))
    if one.drawn:
        rows = [[video.video_id, *_about(video)] for video in one.drawn]
        show(table("Drawn at random in training", ["video", *ABOUT], rows))
    _show_drops(one)
    show_lines("What cannot be told, or is not as recorded", one.notes)


def _show_drops(one: QueryAudit) -> None:
    drops = {reason: [drop for drop in one.dropped if drop.reason == reason] for reason in REASONS}
    told = ", ".join(f"{len(found)} {REASONS[reason]}" for reason, found in drops.items() if found)
    rows = [[drop.rank, drop.video_id, drop.score, reason] for reason, found in drops.items() for drop in found[:NAMED]]
    more = f"; the first {NAMED} of each reason, all: --json" if len(rows) < len(one.dropped) else ""
    show(f"Dropped: {told or 'none'}{more}")
    if rows:
        show(table("", ["rank", "video", "score", "reason"], rows, right=["rank", "score"]))


def _about(video: Shown) -> list[Any]:
    lacks = [name for name, there in video.modalities.items() if there is False]
    times = None
    if video.training is not None:
        times = ", ".join(f"{role} {count}" for role, count in video.training.items()) or "never"
    said = shortened(video.transcript, WORDS) if video.transcript else None
    return [video.language, ", ".join(lacks) or None, times, shortened(video.title or "-", TITLE), said]
