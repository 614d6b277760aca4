"""Negatives gained, lost and kept, query by query, and what the other state did with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tasks.audit.change import Change, changes
from tasks.audit.diff.data import queries_of
from tasks.audit.diff.pair import Pair
from tasks.shared.artifacts.negatives import FILE, MinedQuery, Negative, read_negatives

# what the other state did with a negative: dropped it for this reason, or took others before it (or never found it)
NOT_TAKEN = "not taken"
DROPS = {"margin": "dropped by margin", "positive": "judged positive"}


@dataclass(frozen=True)
class Moved:
    """A negative that only one state has: rank and score there, and what the other state did with the video."""

    video_id: str
    rank: int
    score: float
    elsewhere: str


@dataclass(frozen=True)
class QueryNegatives:
    """A training query whose mining differs.

    Attributes:
        kept: negatives that both have; rescored of them with another rank or score.
        drops: videos that are dropped for another reason, or on one side only.
    """

    query_id: str
    text: str | None
    kept: int
    rescored: int
    gained: list[Moved]
    lost: list[Moved]
    positives_added: list[str]
    positives_removed: list[str]
    drops: list[Change]

    @property
    def moves(self) -> int:
        """How many negatives it gained and lost."""
        return len(self.gained) + len(self.lost)

    @property
    def other_positives(self) -> bool:
        """Whether it has other positives."""
        return bool(self.positives_added or self.positives_removed)


@dataclass(frozen=True)
class NegativesDifference:
    """Negatives of A and of B. Queries that only one of them mined are counted apart, and so are their negatives.

    Attributes:
        same_bytes: it is the same file in both; nothing else was read.
        queries: that both mined; affected of them gained or lost a negative.
        lost_to: lost negatives by what B did with them; gained_from: gained ones by what A had done.
        drops: by reason, how many in A and in B, over the common queries.
        by_query: every query with any difference, most negatives moved first, and of those whose scores changed most.
    """

    same_bytes: bool
    queries: int
    affected: int
    kept: int
    rescored: int
    gained: int
    lost: int
    lost_to: dict[str, int]
    gained_from: dict[str, int]
    positives_changed: int
    drops: dict[str, list[int]]
    only_a: dict[str, int]
    only_b: dict[str, int]
    by_query: list[QueryNegatives]


def negatives_difference(pair: Pair) -> NegativesDifference:
    """Compare what was mined. Raises UserError where that cannot be had."""
    if pair.same(FILE):
        return compare_negatives([], [], {}, same_bytes=True)
    texts = {query_id: one.text for query_id, one in queries_of(pair, "train").items()}
    return compare_negatives(*pair.read(FILE, read_negatives), texts)


def compare_negatives(
    a: Iterable[MinedQuery], b: Iterable[MinedQuery], texts: Mapping[str, str], *, same_bytes: bool = False
) -> NegativesDifference:
    """Negatives of two minings; `texts` are the queries' words by id."""
    of_a, of_b = {one.query_id: one for one in a}, {one.query_id: one for one in b}
    common = sorted(of_a.keys() & of_b.keys())
    every = [_of_query(of_a[query_id], of_b[query_id], texts.get(query_id)) for query_id in common]
    reasons = [Counter(drop.reason for name in common for drop in one[name].dropped) for one in (of_a, of_b)]
    differing = [one for one in every if one.moves or one.rescored or one.drops or one.other_positives]
    return NegativesDifference(
        same_bytes=same_bytes,
        queries=len(common),
        affected=sum(one.moves > 0 for one in every),
        kept=sum(one.kept for one in every),
        rescored=sum(one.rescored for one in every),
        gained=sum(len(one.gained) for one in every),
        lost=sum(len(one.lost) for one in every),
        lost_to=dict(Counter(move.elsewhere for one in every for move in one.lost)),
        gained_from=dict(Counter(move.elsewhere for one in every for move in one.gained)),
        positives_changed=sum(one.other_positives for one in every),
        drops={reason: [count[reason] for count in reasons] for reason in sorted({*reasons[0], *reasons[1]})},
        only_a=_only(of_a, of_b),
        only_b=_only(of_b, of_a),
        by_query=sorted(differing, key=_most_changed),
    )


def _most_changed(one: QueryNegatives) -> tuple[float, float]:
    """Most negatives moved first, and of those whose negatives became the easier or harder by score."""
    return -one.moves, -abs(sum(each.score for each in one.gained) - sum(each.score for each in one.lost))


def _of_query(a: MinedQuery, b: MinedQuery, text: str | None) -> QueryNegatives:
    of_a, of_b = ({one.video_id: one for one in mined.negatives} for mined in (a, b))
    why_a, why_b = ({one.video_id: str(one.reason) for one in mined.dropped} for mined in (a, b))
    kept = of_a.keys() & of_b.keys()
    return QueryNegatives(
        query_id=a.query_id,
        text=text,
        kept=len(kept),
        rescored=sum(of_a[video_id] != of_b[video_id] for video_id in kept),
        gained=[_moved(one, a, why_a) for one in b.negatives if one.video_id not in of_a],
        lost=[_moved(one, b, why_b) for one in a.negatives if one.video_id not in of_b],
        positives_added=sorted({*b.positives} - {*a.positives}),
        positives_removed=sorted({*a.positives} - {*b.positives}),
        drops=changes(why_a, why_b),
    )


def _moved(one: Negative, other: MinedQuery, dropped: Mapping[str, str]) -> Moved:
    reason = "positive" if one.video_id in other.positives else dropped.get(one.video_id)
    return Moved(one.video_id, one.rank, one.score, DROPS[reason] if reason else NOT_TAKEN)


def _only(these: Mapping[str, MinedQuery], those: Mapping[str, MinedQuery]) -> dict[str, int]:
    alone = [one for name, one in these.items() if name not in those]
    return {"queries": len(alone), "negatives": sum(len(one.negatives) for one in alone)}
