"""Fused scores against loops by hand, SciPy's statistics and scikit-learn's ridge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats
from sklearn.linear_model import RidgeCV

from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.retrieval.fusion import by_entropy, by_rank, fixed, fused, weighted, weights_of
from tasks.shared.retrieval.methods import LEAST, PENALTIES, learn, targets
from tasks.shared.retrieval.search import search
from tasks.shared.runtime.errors import UserError

MODALITIES = ["text", "video", "audio"]
GIVEN = {"text": 3.0, "video": 0.0, "audio": 1.0}


def unit(values: np.ndarray) -> np.ndarray:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def small(seed: int = 3) -> tuple[Vectors, dict[str, Vectors]]:
    """Nine queries; eleven videos of which each lacks another modality, one has text alone, and two are equal."""
    rng = np.random.default_rng(seed)
    ids = [f"v{number:02}" for number in range(11)]
    lacking = {"text": {"v00", "v03"}, "video": {"v01", "v04", "v10"}, "audio": {"v02", "v10"}}
    views = {}
    for modality in MODALITIES:
        values = unit(rng.standard_normal((11, 5)) + (2 if modality == "text" else 0))
        values[7] = values[6]
        rows = [row for row, one in enumerate(ids) if one not in lacking[modality]]
        views[modality] = Vectors([ids[row] for row in rows], values[rows])
    return Vectors([f"q{number}" for number in range(9)], unit(rng.standard_normal((9, 5)))), views


def every(views: dict[str, Vectors]) -> list[str]:
    return sorted({one for vectors in views.values() for one in vectors.ids})


def expected(views: dict[str, Vectors], query: np.ndarray, weights: list[float]) -> dict[str, float]:
    """Weighted sums of standard scores, what a video lacks left out of its sum."""
    found = dict.fromkeys(every(views), 0.0)
    for vectors, weight in zip(views.values(), weights, strict=True):
        for one, score in zip(vectors.ids, stats.zscore(vectors.values.astype(float) @ query), strict=True):
            found[one] += weight / sum(weights) * score
    return found


def test_weights_add_standard_scores_and_what_is_lacking_is_the_average() -> None:
    queries, views = small()
    run = fused(queries, views, {"weights": weighted(fixed(GIVEN, MODALITIES))}, 100)["weights"]
    for query_id, vector in zip(queries.ids, queries.values, strict=True):
        wanted = expected(views, vector.astype(float), list(GIVEN.values()))
        assert run[query_id] == pytest.approx(wanted, abs=1e-5)
        assert list(run[query_id]) == sorted(run[query_id], key=lambda one: (run[query_id][one], one), reverse=True)
        places = list(run[query_id])
        assert places.index("v07") + 1 == places.index("v06"), "equal in everything: by id, descending"
    cut = fused(queries, views, {"weights": weighted(fixed(GIVEN, MODALITIES))}, 4, block=2)["weights"]
    assert cut == {query_id: dict(list(ranking.items())[:4]) for query_id, ranking in run.items()}


def test_what_is_near_to_everything_does_not_put_videos_first_that_have_nothing_else() -> None:
    """Text is near to any query; a video with text alone, of average text, must not lead for that."""
    ids = ["good", "only", "bad"]
    query = Vectors(["q"], np.array([[1, 0]], np.float32))
    text = Vectors(ids, np.array([[0.90, 0], [0.89, 0], [0.88, 0]], np.float32))
    video = Vectors(["good", "bad"], np.array([[0.10, 0], [0.05, 0]], np.float32))
    even = weighted(fixed({"text": 1.0, "video": 1.0}, ["text", "video"]))
    (run,) = fused(query, {"text": text, "video": video}, {"even": even}, 10)["even"].values()
    assert list(run) == ["good", "only", "bad"]
    assert run["only"] == pytest.approx(0.0, abs=1e-5)


def test_reciprocal_ranks_are_those_of_each_modalitys_own_search() -> None:
    queries, views = small()
    run = fused(queries, views, {"rrf": by_rank}, 100)["rrf"]
    alone = [search(queries, vectors, 100) for vectors in views.values()]
    for query_id in queries.ids:
        wanted = dict.fromkeys(every(views), 0.0)
        for rankings in alone:
            for rank, one in enumerate(rankings[query_id], start=1):
                wanted[one] += 1 / (60 + rank)
        assert run[query_id] == pytest.approx(wanted, rel=1e-6)
    assert all(len(ranking) == 11 for ranking in run.values())


def test_entropy_weighs_a_modality_by_how_sure_it_is() -> None:
    queries, views = small()
    weights = weights_of(queries, views, by_entropy, block=4)
    for vector, row in zip(queries.values, weights, strict=True):
        sure = []
        for vectors in views.values():
            likely = special.softmax(stats.zscore(vectors.values.astype(float) @ vector.astype(float)))
            sure.append(np.log(len(likely)) / stats.entropy(likely))
        np.testing.assert_allclose(row, np.array(sure) / sum(sure), rtol=1e-5)
    run = fused(queries, views, {"entropy": weighted(by_entropy)}, 100)["entropy"]
    wanted = expected(views, queries.values[2].astype(float), weights[2].tolist())
    assert run["q2"] == pytest.approx(wanted, abs=1e-5)

    ids = [f"v{number}" for number in range(20)]
    one_stands_out = Vectors(ids, np.array([[1, 0]] + [[0, 1]] * 19, np.float32))
    all_alike = Vectors(ids, np.array([[np.cos(one), np.sin(one)] for one in np.linspace(0, 1.5, 20)], np.float32))
    (row,) = weights_of(
        Vectors(["q"], np.array([[1, 0]], np.float32)), {"a": one_stands_out, "b": all_alike}, by_entropy
    )
    assert row[0] > 0.55
    query = Vectors(["q"], np.array([[1, 0]], np.float32))
    nothing, single = Vectors([], np.zeros((0, 2), np.float32)), Vectors(["v0"], np.ones((1, 2), np.float32))
    (row,) = weights_of(query, {"a": all_alike, "b": nothing, "c": single}, by_entropy)
    assert row[1] == 0 and 0 < row[2] < row[0] < 1


def test_queries_and_videos_of_different_encoders_are_refused() -> None:
    queries, views = small()
    other = views | {"audio": Vectors(["v01"], np.ones((1, 4), np.float32))}
    with pytest.raises(UserError, match="queries have 5 dimensions and documents 4"):
        fused(queries, other, {"rrf": by_rank}, 10)
    assert fused(Vectors([], np.zeros((0, 5), np.float32)), views, {"rrf": by_rank}, 10) == {"rrf": {}}


def lesson(count: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Queries whose first numbers say which modality finds them, and some noise."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 3, count)
    asked = unit(np.hstack([3 * np.eye(3)[kind], rng.standard_normal((count, 5))])).astype(np.float64)
    return asked, 0.7 * np.eye(3)[kind] + 0.1


def test_routing_is_ridge_regression_with_the_penalty_of_least_leave_one_out_error() -> None:
    for noise in (0.0, 5.0):
        asked, wanted = lesson(60)
        wanted = wanted + noise * np.random.default_rng(2).standard_normal(wanted.shape)
        router = learn(asked, wanted, MODALITIES)
        theirs = RidgeCV(alphas=PENALTIES, alpha_per_target=False).fit(asked, wanted)
        assert router is not None and router.penalty == theirs.alpha_
        np.testing.assert_allclose(router.slope.T, theirs.coef_, atol=1e-8)
        predicted = np.maximum(theirs.predict(asked), 0)
        np.testing.assert_allclose(
            router.weights(asked.astype(np.float32)), predicted / predicted.sum(axis=1, keepdims=True), atol=1e-5
        )
    asked, wanted = lesson(60)
    router = learn(asked, wanted, MODALITIES)
    unseen, right = lesson(40, seed=9)
    assert router is not None
    assert (router.weights(unseen).argmax(axis=1) == right.argmax(axis=1)).mean() > 0.9
    assert router.weights(unseen).min() >= 0 and router.weights(unseen).sum(axis=1) == pytest.approx(1)
    assert learn(*lesson(LEAST - 1), MODALITIES) is None and learn(*lesson(LEAST), MODALITIES) is not None


def test_the_target_is_where_each_modality_alone_ranks_the_best_positive() -> None:
    queries = Vectors(["q1", "q2", "q3", "q4"], np.array([[1, 0], [0, 1], [1, 0], [1, 0]], np.float32))
    ids = ["a", "b", "c"]
    views = {
        "text": Vectors(ids, np.array([[0.9, 0.1], [0.5, 0.5], [0.1, 0.9]], np.float32)),
        "video": Vectors(["b", "c"], np.array([[0.9, 0.1], [0.5, 0.7]], np.float32)),
    }
    qrels = {"q1": {"a": 1, "c": 0}, "q2": {"a": 1, "b": 2}, "q3": {"d": 1}}
    asked, wanted = targets(queries, views, qrels)
    # q1: a is first by text and has no video. q2: b is second by text (before a) and second by video.
    # q3's positive has neither, and q4 has none
    np.testing.assert_allclose(wanted, [[1, 0], [0.5, 0.5]])
    np.testing.assert_array_equal(asked, queries.values[:2])
