"""Which of a query's retrieved videos become its negatives."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative

DIGITS = 6  # of a score as written: what is beyond may differ between machines


def threshold(positive_scores: Iterable[float], relative_margin: float | None) -> float | None:
    """The score above which a candidate is taken for an unjudged positive; None where there is nothing to go by.

    `p - |p| * margin`, p the score of the weakest positive: with a margin of 0.05, 95 % of it, which is TopK-PercPos of
    NV-Retriever (arXiv 2407.15831). The absolute value keeps the threshold below p where p is negative.
    """
    scores = list(positive_scores)
    if relative_margin is None or not scores:
        return None
    weakest = min(scores)
    return weakest - abs(weakest) * relative_margin


def mined(
    query_id: str,
    positives: Collection[str],
    ranking: Mapping[str, float],
    scores: Mapping[str, float],
    highest: float | None,
    keep: int,
) -> MinedQuery:
    """The first `keep` candidates that are neither judged positive nor score above `highest`, which `threshold` gave.
    `ranking` has candidates and their scores, best first; `scores` those of the positives, where they have one."""
    negatives: list[Negative] = []
    dropped: list[Dropped] = []
    for rank, (video_id, score) in enumerate(ranking.items(), start=1):
        if video_id in positives:
            dropped.append(Dropped(video_id, "positive", rank, round(score, DIGITS)))
        elif highest is not None and score > highest:
            dropped.append(Dropped(video_id, "margin", rank, round(score, DIGITS)))
        elif len(negatives) < keep:
            negatives.append(Negative(video_id, rank, round(score, DIGITS)))
    written = {video_id: round(score, DIGITS) for video_id, score in sorted(scores.items())}
    return MinedQuery(query_id, sorted(positives), negatives, dropped, written)
