"""Negatives that are likely relevant: of the query's event, duplicates of its positives; and repeated negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tasks.audit.negatives.facts import Fact, twins_among
from tasks.audit.negatives.likeness import Likeness
from tasks.audit.negatives.material import Material

MOST = 50  # suspects that are named


@dataclass(frozen=True)
class LikelyFalse:
    """How many negatives may be relevant.

    Attributes:
        events_known: negatives where both the query's and the video's event are known.
        same_event: of these, those that show the query's event.
        same_event_by_chance: how many of as many negatives drawn at random (positives apart) would; None where no
            event is known.
        judged_relevant, judged_irrelevant: negatives that the training judgments speak of.
        twins: negatives that duplicate a positive of their query, by way (a negative counts for each way).
        twins_any: in any way.
        pairs: pairs of negatives of the same query; twin_pairs: those that are alike, by way; twin_pairs_any.
        suspects: of the query's event or a twin of a positive, the highest score first, at most `MOST`;
            suspected: how many there are.
    """

    negatives: int
    events_known: int
    same_event: int
    same_event_by_chance: float | None
    judged_relevant: int
    judged_irrelevant: int
    twins: dict[str, int]
    twins_any: int
    pairs: int
    twin_pairs: dict[str, int]
    twin_pairs_any: int
    suspected: int
    suspects: list[Fact]


def likely_false(material: Material, likeness: Likeness, facts: Sequence[Fact]) -> LikelyFalse:
    """Count them."""
    twins: Counter[str] = Counter()
    for one in facts:
        twins.update({way for twin in one.twins for way in twin.ways})
    pairs, among = twins_among(material.mined, likeness)
    suspects = [one for one in facts if one.suspect]
    known = [one for one in facts if one.event != "unknown"]
    return LikelyFalse(
        negatives=len(facts),
        events_known=len(known),
        same_event=sum(one.event == "same" for one in known),
        same_event_by_chance=_by_chance(material) if known else None,
        judged_relevant=sum(one.judged is not None and one.judged > 0 for one in facts),
        judged_irrelevant=sum(one.judged is not None and one.judged <= 0 for one in facts),
        twins=dict(twins),
        twins_any=sum(bool(one.twins) for one in facts),
        pairs=pairs,
        twin_pairs={way: count for way, count in among.items() if way != "any"},
        twin_pairs_any=among.get("any", 0),
        suspected=len(suspects),
        suspects=sorted(suspects, key=lambda one: (-(one.score or 0.0), one.query_id, one.video_id))[:MOST],
    )


def _by_chance(material: Material) -> float:
    """Expected number: of every query, the share of its event among the videos that it could have drawn."""
    of_event = Counter(one.event for one in material.videos.values() if one.event is not None)
    with_event = sum(of_event.values())
    expected = 0.0
    for one in material.mined:
        event = material.queries[one.query_id].event
        positives = [material.videos[video_id] for video_id in one.positives if video_id in material.videos]
        candidates = with_event - sum(video.event is not None for video in positives)
        if event is None or not candidates:
            continue
        unjudged = of_event[event] - sum(video.event == event for video in positives)
        known = sum(material.videos[negative.video_id].event is not None for negative in one.negatives)
        expected += known * unjudged / candidates
    return expected
