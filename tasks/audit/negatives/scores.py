"""Scores of negatives against those of positives, by the retriever that mined them; and how many come too close."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.audit.negatives.facts import ROUNDED, Fact
from tasks.audit.negatives.material import Material
from tasks.mine.filtering import threshold
from tasks.shared.artifacts.negatives import MinedQuery

POINTS = {"p5": 0.05, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p95": 0.95}


@dataclass(frozen=True)
class Spread:
    """How many values, and their quantiles (linear between neighbours)."""

    count: int
    min: float
    p5: float
    p25: float
    p50: float
    p75: float
    p95: float
    max: float


@dataclass(frozen=True)
class ScoreSpreads:
    """Spreads; None where there are no values.

    Attributes:
        gaps: the weakest scored positive's score less the negative's.
        ranks: of the negatives in the mining retriever's list.
    """

    negatives: Spread | None
    positives: Spread | None
    gaps: Spread | None
    ranks: Spread | None


@dataclass(frozen=True)
class Margins:
    """Negatives by how near they come to the weakest scored positive of their query.

    Attributes:
        checked: negatives whose query has a scored positive; unchecked: the others.
        at_or_above: at or above the weakest scored positive.
        above_95: above 95 % of it (TopK-PercPos of NV-Retriever, arXiv 2407.15831), those at or above it included.
        queries: with a negative above 95 %; unchecked_queries: with negatives, but without a scored positive.
        own: mine.relative_margin, where there was one; above_own: negatives that it should have dropped.
    """

    checked: int
    unchecked: int
    at_or_above: int
    above_95: int
    queries: int
    unchecked_queries: int
    own: float | None
    above_own: int


def spread(values: Collection[float]) -> Spread | None:
    """The quantiles of some values; None of none."""
    if not values:
        return None
    numbers = np.fromiter(values, np.float64, len(values))
    middle = dict(zip(POINTS, np.quantile(numbers, list(POINTS.values())).tolist(), strict=True))
    return Spread(count=len(numbers), min=float(numbers.min()), max=float(numbers.max()), **middle)


def score_spreads(mined: Iterable[MinedQuery], facts: Sequence[Fact]) -> ScoreSpreads:
    """Spreads over all negatives and all scored positives."""
    return ScoreSpreads(
        negatives=spread([one.score for one in facts if one.score is not None]),
        positives=spread([score for one in mined for score in one.positive_scores.values()]),
        gaps=spread([one.gap for one in facts if one.gap is not None]),
        ranks=spread([one.rank for one in facts]),
    )


def margins(material: Material, facts: Sequence[Fact]) -> Margins:
    """How many negatives come too close."""
    own = material.lineage.execution("mine").param("mine.relative_margin")
    limits = {one.query_id: threshold(one.positive_scores.values(), own) for one in material.mined}
    checked = [one for one in facts if one.band != "unchecked"]
    return Margins(
        checked=len(checked),
        unchecked=len(facts) - len(checked),
        at_or_above=sum(one.band == "above" for one in checked),
        above_95=sum(one.violates for one in checked),
        queries=len({one.query_id for one in checked if one.violates}),
        unchecked_queries=len({one.query_id for one in facts if one.band == "unchecked"}),
        own=own,
        above_own=sum(
            one.score is not None and (limit := limits[one.query_id]) is not None and one.score > limit + ROUNDED
            for one in checked
        ),
    )
