"""What is known of every mined negative. All numbers of the audit are counts of these facts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

from tasks.mine.filtering import DIGITS
from tasks.negatives.data import NegativesData
from tasks.negatives.similarity import KINDS, Similarity
from tasks.shared.artifacts.negatives import MinedQuery
from tasks.shared.runtime.progress import progress

ROUNDED = 10.0**-DIGITS  # scores are written with so many digits
MARGINS = {"within 5 %": 0.05, "within 25 %": 0.25}  # the first is TopK-PercPos, arXiv 2407.15831


@dataclass(frozen=True, slots=True)
class Fact:
    """A mined negative.

    Attributes:
        score, rank: in the mining retriever's list; source `random` has no scores, and its rank is the draw's order.
        gap: the weakest scored positive's score less this one; None where no positive has a score.
        band: the score beside the weakest scored positive's: above (or at it), within 5 % (above 95 % of it), within
            25 % or below; None where no positive has a score.
        same_event: whether it shows the query's event; None where one of them is unknown, as for `same_language`.
        judged: its relevance in the training qrels; None where it is not judged.
        duplicates: positives of the query that it duplicates, and the kinds of likeness (see `similarity.KINDS`).
    """

    query_id: str
    video_id: str
    rank: int
    score: float | None
    gap: float | None
    band: str | None
    same_event: bool | None
    same_language: bool | None
    judged: int | None
    duplicates: dict[str, list[str]]

    @property
    def too_close(self) -> bool | None:
        """Whether it scores above 95 % of the weakest positive; None where that has no score."""
        return None if self.band is None else self.band in ("above", "within 5 %")

    @property
    def suspect(self) -> bool:
        """Whether it is likely relevant by something other than its score."""
        return bool(self.same_event or self.duplicates)

    def record(self) -> dict[str, Any]:
        """What is known, and in words what is suspect."""
        why = [f"judged {self.judged}"] if self.judged is not None else []
        if self.too_close:
            why.append(f"{'at or above' if self.band == 'above' else 'above 95 % of'} the weakest positive")
        why += ["same event"] if self.same_event else []
        why += [f"{KINDS[one]} as {video_id}" for video_id, kinds in self.duplicates.items() for one in kinds]
        return {**asdict(self), "suspect": ", ".join(why) or None}


def facts_of(data: NegativesData, mined: Sequence[MinedQuery], *, compared: bool = True) -> list[Fact]:
    """Facts in the order of the queries, each query's best negative first; duplicates only where `compared`."""
    similarity = Similarity(data) if compared else None
    with ThreadPoolExecutor(os.cpu_count()) as pool:  # Pillow decodes without the interpreter's lock
        found = pool.map(partial(_facts, data, similarity), mined)
        facts = [fact for of_query in progress(found, "negatives", len(mined), "query") for fact in of_query]
    if similarity is not None:
        data.notes.extend(similarity.notes())
    return facts


def within(score: float, weakest: float, margin: float) -> bool:
    """Whether a score is above the weakest positive's less a margin, as `tasks.mine.filtering.threshold` has it.

    Scores may differ from what mining saw by their rounding.
    """
    return score > weakest - abs(weakest) * margin + ROUNDED


def band_of(score: float | None, positives: Iterable[float]) -> str | None:
    """How near a score comes to the weakest positive's; see `Fact.band`."""
    weakest = min(positives, default=None)
    if score is None or weakest is None:
        return None
    if score >= weakest:
        return "above"
    return next((name for name, margin in MARGINS.items() if within(score, weakest, margin)), "below")


def _facts(data: NegativesData, similarity: Similarity | None, one: MinedQuery) -> list[Fact]:
    query, positives, facts = data.queries[one.query_id], one.positive_scores.values(), []
    for negative in one.negatives:
        video = data.videos[negative.video_id]
        score = negative.score if data.has_scores else None
        kinds = {name: similarity.kinds(name, negative.video_id) for name in one.positives} if similarity else {}
        facts.append(
            Fact(
                query_id=one.query_id,
                video_id=negative.video_id,
                rank=negative.rank,
                score=score,
                gap=min(positives) - score if positives and score is not None else None,
                band=band_of(score, positives),
                same_event=query.event == video.event if query.event and video.event else None,
                same_language=query.language == video.language if query.language and video.language else None,
                judged=data.qrels.get(one.query_id, {}).get(negative.video_id),
                duplicates={name: found for name, found in kinds.items() if found},
            )
        )
    return facts
