"""Slices by query and by relevant video."""

from __future__ import annotations

import pytest

from tasks.evaluate.measures import per_query
from tasks.evaluate.slices import slices
from tasks.shared.artifacts.scores import Slice, slice_metrics
from tests.mine.small_corpus import query, video

VIDEOS = [
    video("v1", "test", language="en", video_type="raw"),
    video("v2", "test", language="ko", video_type="raw"),
    video("v3", "test", video_type="edited"),
    video("v4", "test", language="en", video_type="professional"),
]
QUERIES = [
    query("q1", "a", "test", language="en"),
    query("q2", "b", "test", language="ko", category="sports"),
    query("q3", "c", "test"),
]
QRELS = {"q1": {"v1": 1, "v2": 2, "v4": 0}, "q2": {"v2": 1}, "q3": {"v3": 1}}
RUNS = {
    "tuned": {"q1": {"v2": 3.0, "v1": 2.0, "v4": 1.0}, "q2": {"v1": 2.0, "v2": 1.0}},
    "bm25": {"q1": {"v4": 2.0, "v1": 1.0}, "q2": {"v2": 1.0}, "q3": {"v3": 1.0}},
}
HALF = pytest.approx(0.6309297535714575)  # 1 / log2(3): found at rank 2


def sliced() -> dict[str, dict[str, Slice]]:
    values = {name: per_query(run, QRELS) for name, run in RUNS.items()}
    return slices(QUERIES, VIDEOS, QRELS, RUNS, values, lambda numbers: [min(numbers), max(numbers)])


def test_by_query() -> None:
    found = sliced()
    # of query types nothing is known
    assert list(found) == ["query_language", "query_category", "video_language", "video_type"]
    assert {value: one.count for value, one in found["query_category"].items()} == {"sports": 1, "unknown": 2}
    assert found["query_category"]["sports"].systems["tuned"]["nDCG@10"] == HALF
    assert list(found["query_language"]) == ["en", "ko", "unknown"]
    assert found["query_language"]["ko"].count == 1
    assert found["query_language"]["ko"].systems["tuned"] == {"nDCG@10": HALF, "interval": [HALF, HALF]}
    assert found["query_language"]["unknown"].systems["tuned"] == {"nDCG@10": 0.0, "interval": [0.0, 0.0]}
    assert found["query_language"]["unknown"].systems["bm25"]["nDCG@10"] == 1.0


def test_by_relevant_video_alone() -> None:
    found = sliced()["video_language"]
    # q1's Korean video ranks above its English one, which is no mistake: it is not there when English is asked for
    assert found["en"] == Slice(
        1, {"tuned": {"nDCG@10": 1.0, "interval": [1.0, 1.0]}, "bm25": {"nDCG@10": HALF, "interval": [HALF, HALF]}}
    )
    assert found["ko"].count == 2
    assert found["ko"].systems["tuned"] == {
        "nDCG@10": pytest.approx((1 + 1 / 1.584962500721156) / 2),
        "interval": [HALF, 1.0],
    }
    assert found["ko"].systems["bm25"] == {"nDCG@10": 0.5, "interval": [0.0, 1.0]}
    assert found["unknown"].systems["bm25"]["nDCG@10"] == 1.0
    assert "professional" not in sliced()["video_type"]  # only judged not relevant


def test_whole_when_a_slice_is_everything() -> None:
    raw = sliced()["video_type"]["raw"]
    assert raw.count == 2
    whole = per_query(RUNS["tuned"], QRELS)
    assert raw.systems["tuned"]["nDCG@10"] == pytest.approx((whole["q1"]["nDCG@10"] + whole["q2"]["nDCG@10"]) / 2)


def test_names_in_mlflow() -> None:
    found = slice_metrics({"query_type": {"a/../ü b": Slice(2, {"tuned": {"nDCG@10": 0.5, "interval": [0.25, 1.0]}})}})
    place = "slice/query_type/a_b"
    assert found == {
        f"{place}/count": 2, f"{place}/tuned": 0.5, f"{place}/tuned/low": 0.25, f"{place}/tuned/high": 1.0
    }  # fmt: skip
