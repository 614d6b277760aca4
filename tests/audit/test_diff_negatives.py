"""Negatives and exposures gained and lost, on small cases made by hand."""

from __future__ import annotations

import random

from tasks.audit.diff.negatives import compare_negatives
from tasks.audit.diff.training import compare_exposures
from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative


def query(name: str, negatives: str, *, positives: str = "P", dropped: tuple[Dropped, ...] = ()) -> MinedQuery:
    """A query whose negatives are letters, ranked from 1."""
    found = [Negative(letter, rank, 1 - rank / 100) for rank, letter in enumerate(negatives, start=1)]
    return MinedQuery(name, list(positives), found, list(dropped))


def test_what_became_of_each_negative() -> None:
    a = [query("q", "xyz", dropped=(Dropped("m", "margin", 9, 0.1),)), query("only a", "xy"), query("same", "x")]
    b = [
        query("q", "ym", positives="Pz", dropped=(Dropped("x", "margin", 1, 0.99),)),
        query("only b", "x"),
        query("same", "x"),
    ]
    found = compare_negatives(a, b, {"q": "words"})
    assert (found.queries, found.affected, found.kept, found.lost, found.gained) == (2, 1, 2, 2, 1)
    assert found.lost_to == {"dropped by margin": 1, "judged positive": 1}
    assert found.gained_from == {"dropped by margin": 1}
    assert found.rescored == 1  # y is the first now
    assert found.drops == {"margin": [1, 1]}
    assert (found.only_a, found.only_b) == ({"queries": 1, "negatives": 2}, {"queries": 1, "negatives": 1})
    (changed,) = found.by_query
    assert (changed.text, changed.positives_added) == ("words", ["z"])
    assert [(one.video_id, one.rank, one.elsewhere) for one in changed.gained] == [("m", 2, "dropped by margin")]
    assert [(one.key, one.a, one.b) for one in changed.drops] == [("m", "margin", None), ("x", None, "margin")]


def test_sets_agree_with_plain_set_algebra() -> None:
    rng = random.Random(1)

    def mining() -> list[MinedQuery]:
        return [query(f"q{n}", "".join(rng.sample("abcdefgh", rng.randint(0, 5)))) for n in range(200)]

    a, b = mining(), mining()
    pairs_a, pairs_b = ({(one.query_id, each.video_id) for one in side for each in one.negatives} for side in (a, b))
    found = compare_negatives(a, b, {})
    assert found.kept == len(pairs_a & pairs_b)
    assert {(one.query_id, each.video_id) for one in found.by_query for each in one.lost} == pairs_a - pairs_b
    assert {(one.query_id, each.video_id) for one in found.by_query for each in one.gained} == pairs_b - pairs_a
    moves = [one.moves for one in found.by_query]
    assert moves == sorted(moves, reverse=True)


def test_exposures_by_role() -> None:
    a = {("q", "v", "positive"): [1, 2], ("q", "w", "mined"): [1], ("q", "x", "mined"): [2]}
    b = {("q", "v", "positive"): [1, 3], ("q", "w", "drawn"): [1, 1], ("q", "x", "mined"): [2]}
    found = compare_exposures(a, b)  # type: ignore[arg-type]
    assert found.other_steps == 1
    told = {role: tuple(counts.values()) for role, counts in found.roles.items()}
    assert told == {"positive": (1, 0, 0, 2, 2), "mined": (1, 1, 0, 2, 1), "drawn": (0, 0, 1, 0, 2)}
