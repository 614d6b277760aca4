"""Exact search against brute force, ties included."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.retrieval.search import ranked, search, similarities
from tasks.shared.runtime.errors import UserError


def named(prefix: str, values: np.ndarray) -> Vectors:
    return Vectors([f"{prefix}{row}" for row in range(len(values))], values.astype(np.float32))


def brute_force(queries: Vectors, documents: Vectors, depth: int) -> dict[str, list[tuple[str, float]]]:
    """Python's own exact sums, rounded once; sorted as trec_eval sorts."""
    found = {}
    for query_id, query in zip(queries.ids, queries.values.tolist(), strict=True):
        scores = [
            (float(np.float32(math.fsum(a * b for a, b in zip(query, document, strict=True)))), document_id)
            for document_id, document in zip(documents.ids, documents.values.tolist(), strict=True)
        ]
        found[query_id] = [(document_id, score) for score, document_id in sorted(scores, reverse=True)[:depth]]
    return found


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_equals_brute_force_with_many_ties(data: st.DataObject) -> None:
    dimensions, count = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 30))
    whole = st.lists(st.integers(-2, 2), min_size=dimensions, max_size=dimensions)
    documents = named("d", np.array(data.draw(st.lists(whole, min_size=count, max_size=count))))
    queries = named("q", np.array(data.draw(st.lists(whole, min_size=1, max_size=4))))
    depth, chunk = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 60))
    found = search(queries, documents, depth, chunk=chunk)
    assert {query: list(ranking.items()) for query, ranking in found.items()} == brute_force(queries, documents, depth)


def test_scores_do_not_depend_on_chunks_threads_or_order() -> None:
    rng = np.random.default_rng(3)
    documents, queries = named("d", rng.standard_normal((500, 96))), named("q", rng.standard_normal((7, 96)))
    whole = search(queries, documents, 20)
    assert {query: list(ranking.items()) for query, ranking in whole.items()} == brute_force(queries, documents, 20)
    for chunk in (96, 1000, 9600, 96 * 333):
        assert search(queries, documents, 20, chunk=chunk) == whole
    with threadpool_limits(1):
        assert search(queries, documents, 20) == whole
    order = rng.permutation(500)
    shuffled = Vectors([documents.ids[row] for row in order], documents.values[order])
    assert search(queries, shuffled, 20) == whole
    one = Vectors(queries.ids[:1], queries.values[:1])
    assert search(one, documents, 20)["q0"] == whole["q0"]


def test_single_pairs_score_as_in_a_search() -> None:
    rng = np.random.default_rng(4)
    documents, queries = named("d", rng.standard_normal((50, 33))), named("q", rng.standard_normal((3, 33)))
    every = search(queries, documents, 50)
    wanted = {"q0": ["d3", "d49", "gone"], "q2": []}
    assert similarities(queries, documents, wanted) == {
        "q0": {"d3": every["q0"]["d3"], "d49": every["q0"]["d49"]},
        "q1": {},
        "q2": {},
    }


def test_nothing_to_search() -> None:
    some, none = named("q", np.ones((2, 3))), Vectors([], np.empty((0, 0), np.float32))
    assert search(some, none, 5) == {"q0": {}, "q1": {}}
    assert search(none, some, 5) == {}
    assert similarities(some, none, {"q0": ["d"]}) == {"q0": {}, "q1": {}}


def test_vectors_that_cannot_be_compared() -> None:
    with pytest.raises(UserError, match="queries have 3 dimensions and documents 4"):
        search(named("q", np.ones((1, 3))), named("d", np.ones((1, 4))), 5)
    documents = named("d", np.array([[1.0, 2.0], [np.nan, 0.0]]))
    with pytest.raises(UserError, match="vector of d1 is not finite"):
        search(named("q", np.ones((1, 2))), documents, 5)


def test_ranked_breaks_ties_by_the_order_of_ids() -> None:
    assert list(ranked(["c", "b", "a"], np.array([1, 2, 2], np.float32), 2).items()) == [("b", 2.0), ("a", 2.0)]
