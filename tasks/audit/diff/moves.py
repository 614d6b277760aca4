"""The queries that moved from A to B, and parts of the queries that did; of one system."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tasks.shared.artifacts.corpus import Query
from tasks.shared.artifacts.scores import HEADLINE

ALIKE = 1e-12  # values of two computations closer than this are equal
UNKNOWN = "unknown"
Scores = Mapping[str, Mapping[str, float]]  # query id -> measure -> value


@dataclass(frozen=True)
class QueryMove:
    """A query that the final system ranks better or worse in B.

    `rank_a`, `rank_b`: of the first relevant video, from 1; None where none was found to the depth of the ranking.
    """

    query_id: str
    text: str | None
    type: str | None
    language: str | None
    a: float
    b: float
    difference: float
    rank_a: int | None
    rank_b: int | None


@dataclass(frozen=True)
class SliceDifference:
    """Mean nDCG@10 of the final system over a part of the common queries."""

    queries: int
    a: float
    b: float
    difference: float


def differences(a: Scores, b: Scores, common: Sequence[str]) -> list[float]:
    """nDCG@10 of B less that of A, query by query; exactly 0 where they are equal but for rounding."""
    found = (b[query_id][HEADLINE] - a[query_id][HEADLINE] for query_id in common)
    return [0.0 if abs(one) < ALIKE else one for one in found]


def moves(
    a: Scores,
    b: Scores,
    common: Sequence[str],
    queries: Mapping[str, Query],
) -> list[QueryMove]:
    """The queries whose nDCG@10 differs, the largest difference first."""
    moved = []
    for query_id, difference in zip(common, differences(a, b, common), strict=True):
        if difference:
            one, of_a, of_b = queries.get(query_id), a[query_id], b[query_id]
            moved.append(
                QueryMove(
                    query_id=query_id,
                    text=one.text if one else None,
                    type=one.type if one else None,
                    language=one.language if one else None,
                    a=of_a[HEADLINE],
                    b=of_b[HEADLINE],
                    difference=difference,
                    rank_a=_first_rank(of_a),
                    rank_b=_first_rank(of_b),
                )
            )
    return sorted(moved, key=lambda move: (-abs(move.difference), move.query_id))


def _first_rank(values: Mapping[str, float]) -> int | None:
    """The rank of the first relevant video, of which RR is the reciprocal."""
    return round(1 / values["RR"]) if values["RR"] else None


def slices(
    a: Scores,
    b: Scores,
    common: Sequence[str],
    queries: Mapping[str, Query],
) -> dict[str, dict[str, SliceDifference]]:
    """Means by query_type and query_language; a facet of which nothing is known is left out."""
    found: dict[str, dict[str, SliceDifference]] = {}
    known = [queries[query_id] for query_id in common if query_id in queries]
    for facet, value_of in (
        ("query_type", {one.query_id: one.type for one in known}),
        ("query_language", {one.query_id: one.language for one in known}),
    ):
        if not any(value_of.values()):
            continue
        parts: dict[str, list[str]] = defaultdict(list)
        for query_id in common:
            parts[value_of.get(query_id) or UNKNOWN].append(query_id)
        found[facet] = {value: _slice(a, b, parts[value]) for value in sorted(parts)}
    return found


def _slice(a: Scores, b: Scores, part: Sequence[str]) -> SliceDifference:
    of_a, of_b = (sum(side[query_id][HEADLINE] for query_id in part) / len(part) for side in (a, b))
    return SliceDifference(len(part), of_a, of_b, of_b - of_a)
