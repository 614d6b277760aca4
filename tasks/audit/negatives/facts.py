"""What is known of every mined negative: one fact a negative, and all numbers of the audit are sums of facts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from tasks.audit.negatives.likeness import Likeness
from tasks.audit.negatives.material import Material
from tasks.mine.filtering import DIGITS, threshold
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.runtime.progress import progress

MARGIN = 0.05  # a negative above 95 % of the weakest positive is suspect: TopK-PercPos, arXiv 2407.15831
ROUNDED = 10.0**-DIGITS  # scores are written with so many digits

Band = Literal["above", "within 5 %", "within 25 %", "below", "unchecked"]
Relation = Literal["same", "other", "unknown"]


@dataclass(frozen=True, slots=True)
class Twin:
    """Another video that is a duplicate, or nearly so, and in which ways (names of likeness.WAYS)."""

    video_id: str
    ways: list[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """A mined negative.

    Attributes:
        score, rank: in the mining retriever's list; source `random` has no scores, and its rank is the draw's order.
        gap: the weakest scored positive's score less this one; None where no positive has a score.
        band: how near to the weakest scored positive: at or above it, above 95 % of it, above 75 %, below that.
        event: whether it shows the query's event; language: whether it is in the query's language.
        judged: its relevance in the training judgments; None where nobody judged it.
        twins: positives of the query that it duplicates.
    """

    query_id: str
    video_id: str
    rank: int
    score: float | None
    gap: float | None
    band: Band
    event: Relation
    language: Relation
    judged: int | None
    twins: list[Twin]

    @property
    def violates(self) -> bool:
        """Whether it scores at or above the weakest positive, or above 95 % of it."""
        return self.band in ("above", "within 5 %")

    @property
    def suspect(self) -> bool:
        """Whether it is likely relevant though not judged so, by something other than its score."""
        return self.event == "same" or bool(self.twins)


def facts_of(material: Material, likeness: Likeness | None, mined: Sequence[MinedQuery]) -> list[Fact]:
    """Facts in the order of the queries, each query's best negative first. Without `likeness` there are no twins."""
    return [
        _fact(material, likeness, one, place)
        for one in progress(mined, "negatives", total=len(mined), unit="query")
        for place in range(len(one.negatives))
    ]


def compared_videos(mined: Iterable[MinedQuery]) -> set[str]:
    """The videos that are negatives of some query, or positives of a query that has negatives."""
    return {
        video_id
        for one in mined
        if one.negatives
        for video_id in [*one.positives, *(negative.video_id for negative in one.negatives)]
    }


def twins_among(mined: Sequence[MinedQuery], likeness: Likeness) -> tuple[int, dict[str, int]]:
    """Pairs of negatives of the same query: how many, and how many are alike by way (a pair counts for each way)."""
    pairs = 0
    ways: Counter[str] = Counter()
    for one in progress(mined, "negatives among themselves", total=len(mined), unit="query"):
        for first, second in combinations([negative.video_id for negative in one.negatives], 2):
            pairs += 1
            found = likeness.ways(first, second)
            ways.update([*found, "any"] if found else [])
    return pairs, dict(ways)


def band_of(score: float | None, positives: Sequence[float]) -> Band:
    """How near a score comes to the weakest positive's. Scores may differ from what mining saw by their rounding."""
    weakest, close, near = (threshold(positives, margin) for margin in (0.0, MARGIN, 0.25))
    if score is None or weakest is None or close is None or near is None:
        return "unchecked"
    if score >= weakest:
        return "above"
    if score > close + ROUNDED:
        return "within 5 %"
    return "within 25 %" if score > near + ROUNDED else "below"


def relation(one: str | None, other: str | None) -> Relation:
    """Whether two values are the same; unknown where one of them is not known."""
    if one is None or other is None:
        return "unknown"
    return "same" if one == other else "other"


def _fact(material: Material, likeness: Likeness | None, one: MinedQuery, place: int) -> Fact:
    negative = one.negatives[place]
    query, video = material.queries[one.query_id], material.videos[negative.video_id]
    scores = list(one.positive_scores.values())
    score = None if material.source == "random" else negative.score
    twins = []
    if likeness is not None:
        ways = {positive: likeness.ways(positive, negative.video_id) for positive in one.positives}
        twins = [Twin(positive, found) for positive, found in ways.items() if found]
    return Fact(
        query_id=one.query_id,
        video_id=negative.video_id,
        rank=negative.rank,
        score=score,
        gap=min(scores) - score if scores and score is not None else None,
        band=band_of(score, scores),
        event=relation(query.event, video.event),
        language=relation(query.language, video.language),
        judged=material.qrels.get(one.query_id, {}).get(negative.video_id),
        twins=twins,
    )
