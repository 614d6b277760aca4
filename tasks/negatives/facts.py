"""What is known of every mined negative. All numbers of the audit are counts of these facts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from tasks.mine.filtering import DIGITS
from tasks.negatives.data import NegativesData
from tasks.negatives.similarity import Similarity
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.runtime.progress import progress

MARGIN = 0.05  # above 95 % of the weakest positive a negative is suspect: TopK-PercPos, arXiv 2407.15831
ROUNDED = 10.0**-DIGITS  # scores are written with so many digits

Band = Literal["above", "within 5 %", "within 25 %", "below", "unchecked"]
Relation = Literal["same", "other", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    """A mined negative.

    Attributes:
        score, rank: in the mining retriever's list; source `random` has no scores, and its rank is the draw's order.
        gap: the weakest scored positive's score less this one; None where no positive has a score.
        band: the score beside the weakest scored positive's: at or above it, above 95 % of it, above 75 %, or below.
        event: whether it shows the query's event; language: whether it is in the query's language.
        judged: its relevance in the training qrels; None where it is not judged.
        duplicates: positives of the query that it duplicates, and the kinds of likeness (see `similarity.KINDS`).
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
    duplicates: dict[str, list[str]]

    @property
    def too_close(self) -> bool:
        """Whether it scores above 95 % of the weakest positive."""
        return self.band in ("above", "within 5 %")

    @property
    def suspect(self) -> bool:
        """Whether it is likely relevant by something other than its score."""
        return self.event == "same" or bool(self.duplicates)


def facts_of(data: NegativesData, mined: Sequence[MinedQuery], *, compared: bool = True) -> list[Fact]:
    """Facts in the order of the queries, each query's best negative first.

    Args:
        data: the state.
        mined: the queries wanted.
        compared: whether videos are compared; otherwise no duplicates are found.
    """
    videos = {video_id for one in mined if one.negatives for video_id in one.positives}
    videos |= {negative.video_id for one in mined for negative in one.negatives}
    similarity = Similarity(data, videos) if compared else None
    queries = progress(mined, "negatives", total=len(mined), unit="query")
    return [_fact(data, similarity, one, place) for one in queries for place in range(len(one.negatives))]


def band_of(score: float | None, positives: Iterable[float]) -> Band:
    """How near a score comes to the weakest positive's. Scores may differ from what mining saw by their rounding."""
    weakest = min(positives, default=None)
    if score is None or weakest is None:
        return "unchecked"
    if score >= weakest:
        return "above"
    if score > weakest - abs(weakest) * MARGIN + ROUNDED:  # as tasks.mine.filtering.threshold has it
        return "within 5 %"
    return "within 25 %" if score > weakest - abs(weakest) * 0.25 + ROUNDED else "below"


def _fact(data: NegativesData, similarity: Similarity | None, one: MinedQuery, place: int) -> Fact:
    negative = one.negatives[place]
    query, video = data.queries[one.query_id], data.videos[negative.video_id]
    positives = one.positive_scores.values()
    score = negative.score if data.has_scores else None
    duplicates = {}
    if similarity is not None:
        kinds = {positive: similarity.kinds(positive, negative.video_id) for positive in one.positives}
        duplicates = {positive: found for positive, found in kinds.items() if found}
    return Fact(
        query_id=one.query_id,
        video_id=negative.video_id,
        rank=negative.rank,
        score=score,
        gap=min(positives) - score if positives and score is not None else None,
        band=band_of(score, positives),
        event=_relation(query.event, video.event),
        language=_relation(query.language, video.language),
        judged=data.qrels.get(one.query_id, {}).get(negative.video_id),
        duplicates=duplicates,
    )


def _relation(one: str | None, other: str | None) -> Relation:
    if one is None or other is None:
        return "unknown"
    return "same" if one == other else "other"
