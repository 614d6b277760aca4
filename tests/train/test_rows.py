"""Rows of training: every judged pair once, the same number of negatives each, never a positive among them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.shared.artifacts.negatives import MinedQuery, Negative
from tasks.train.rows import Row, training_rows

VIDEOS = [f"v{number}" for number in range(8)]


def mined(query_id: str, positives: list[str], negatives: list[str]) -> MinedQuery:
    hard = [Negative(video, rank, 1.0 / rank) for rank, video in enumerate(negatives, start=1)]
    return MinedQuery(query_id, positives, hard, [])


def test_a_row_for_every_positive_with_the_first_negatives():
    rows, drawn = training_rows([mined("q", ["v0", "v1"], ["v2", "v3", "v4"])], VIDEOS, negatives=2, seed=7)
    assert rows == [Row("q", "v0", ("v2", "v3")), Row("q", "v1", ("v2", "v3"))]
    assert drawn == 0


def test_what_cannot_be_read_is_passed_over_and_made_up_for():
    rows, drawn = training_rows([mined("q", ["v0", "gone"], ["lost", "v2"])], VIDEOS, negatives=2, seed=7)
    assert [row.positive for row in rows] == ["v0"]
    assert rows[0].negatives[0] == "v2"
    assert rows[0].negatives[1] in set(VIDEOS) - {"v0", "v2"}
    assert drawn == 1


def test_other_queries_do_not_change_what_is_drawn():
    one = mined("q", ["v0"], [])
    alone, _ = training_rows([one], VIDEOS, negatives=3, seed=7)
    beside, _ = training_rows([mined("p", ["v5"], []), one], VIDEOS, negatives=3, seed=7)
    assert alone[0] in beside


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sets(st.sampled_from(VIDEOS), min_size=1, max_size=3), st.permutations(VIDEOS)),
        min_size=1,
        max_size=5,
    ),
    st.integers(0, 6),
)
def test_rows_are_rectangular_and_never_hold_a_positive_as_negative(queries, negatives):
    one = [
        mined(f"q{number}", sorted(positives), [video for video in order if video not in positives][:2])
        for number, (positives, order) in enumerate(queries)
    ]
    rows, _ = training_rows(one, VIDEOS, negatives=negatives, seed=1)
    positives = {entry.query_id: set(entry.positives) for entry in one}
    assert len({len(row.negatives) for row in rows}) == 1
    for row in rows:
        assert not positives[row.query_id] & set(row.negatives)
        assert len(set(row.negatives)) == len(row.negatives)
    assert len(rows) == sum(map(len, positives.values()))
