"""Any-to-any retrieval on small vectors, against trec_eval's own program and counts by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.table import directions_table
from tasks.shared.artifacts.directions import (
    AVERAGES,
    DIRECTIONS,
    Directions,
    Lead,
    Ranked,
    read_ranked,
    write_ranked,
)
from tasks.shared.artifacts.scores import Scores, as_metrics, read_scores, write_scores
from tasks.shared.artifacts.vectors import VIEWS, Vectors
from tasks.shared.retrieval.search import ranks

MODALITY = {"t": "text", "v": "video", "a": "audio"}


def random_views(seed: int, ids: list[str], noise: float, dim: int = 6) -> dict[str, Vectors]:
    """Small whole numbers, whose products are exact, so that there are ties: a video's own plus noise."""
    rng = np.random.default_rng(seed)
    own = rng.integers(-2, 3, (len(ids), dim))
    return {
        view: Vectors(list(ids), (own + np.round(noise * rng.standard_normal(own.shape))).astype(np.float32))
        for view in VIEWS
    }


def test_the_directions_are_the_twelve_and_are_what_their_names_say() -> None:
    assert list(DIRECTIONS) == [
        "t2v",
        "v2t",
        "t2a",
        "a2t",
        "v2a",
        "a2v",
        "t2av",
        "av2t",
        "a2tv",
        "tv2a",
        "v2at",
        "at2v",
    ]
    for name, (asked, searched) in DIRECTIONS.items():
        named = [{MODALITY[letter] for letter in side} for side in name.split("2")]
        assert [set(VIEWS[asked]), set(VIEWS[searched])] == named
        assert not named[0] & named[1], "a view is never asked to find itself"
    assert list(VIEWS) == ["text", "video", "audio", "text+video", "text+audio", "video+audio"]
    assert {name: len(members) for name, members in AVERAGES.items()} == {"AVG-single": 6, "AVG-dual": 6, "AVG-all": 12}
    assert all(len(name) == 3 for name in AVERAGES["AVG-single"])
    assert all(len(name) == 4 for name in AVERAGES["AVG-dual"])


def test_recall_is_trec_evals_with_ties(tmp_path: Path) -> None:
    ids = [f"v{number:02}" for number in np.random.default_rng(0).permutation(37)]
    views = random_views(1, ids, noise=1.2)
    found = direction_ranks({"base": views})
    scored = directions(found, 200, 200, 7)
    tied = 0
    for name, (asked, searched) in DIRECTIONS.items():
        products = views[asked].values @ views[searched].values.T
        tied += sum(len(set(row)) < len(row) for row in products.tolist())
        run = {one: dict(zip(ids, row, strict=True)) for one, row in zip(ids, products.tolist(), strict=True)}
        oracle = pytrec_eval.RelevanceEvaluator({one: {one: 1} for one in ids}, {"recall", "recip_rank"}).evaluate(run)
        assert {one: 1 / rank for one, rank in found["base"][name].items()} == pytest.approx(
            {one: values["recip_rank"] for one, values in oracle.items()}
        )
        for cut in (5, 10):
            mean = sum(values[f"recall_{cut}"] for values in oracle.values()) / len(ids)
            assert scored.systems["base"][name][f"R@{cut}"] == pytest.approx(mean)
        first = sum(values["recip_rank"] == 1 for values in oracle.values()) / len(ids)
        assert scored.systems["base"][name]["R@1"] == pytest.approx(first)
    assert tied > 100, "the vectors are made so that ties matter"
    one = scored.systems["base"]
    for average, members in AVERAGES.items():
        for cut in ("R@1", "R@5", "R@10"):
            assert one[average][cut] == pytest.approx(sum(one[name][cut] for name in members) / len(members))
        low, high = scored.intervals["base"][average]
        assert low <= one[average]["R@1"] <= high
    assert len({one[name]["R@1"] for name in DIRECTIONS}) > 3, "the directions differ, so none can stand for another"


def test_a_direction_and_its_reverse_are_not_the_same() -> None:
    """Text finds video, but video does not find text: two of three texts lie on one video's side."""
    ids = ["a", "b", "c"]
    views = random_views(0, ids, 0.0, dim=2)
    views["text"] = Vectors(ids, np.array([[3, 0], [2, 1], [0, 3]], np.float32))
    views["video"] = Vectors(ids, np.array([[3, 0], [2, 2], [0, 1]], np.float32))
    found = direction_ranks({"base": views})["base"]
    # t2v: a scores 9 6 0, b 6 6 1 (a tie: b before a), c 0 6 3; v2t: a scores 9 6 0, b 6 6 6 (c b a), c 0 1 3
    assert found["t2v"] == {"a": 1, "b": 1, "c": 2}
    assert found["v2t"] == {"a": 1, "b": 2, "c": 1}


def test_equal_videos_rank_by_id_and_only_one_of_them_is_found_first() -> None:
    ids = ["a", "b", "c", "d"]
    same = Vectors(ids, np.ones((4, 2), np.float32))
    found = direction_ranks({"base": dict.fromkeys(VIEWS, same)})
    assert found["base"]["t2v"] == {"d": 1, "c": 2, "b": 3, "a": 4}
    assert directions(found, 100, 100, 7).systems["base"]["AVG-all"]["R@1"] == 0.25


def test_who_lacks_a_view_in_any_system_is_neither_asked_nor_searched() -> None:
    ids = ["a", "b", "c", "d"]
    tuned, base = random_views(1, ids, 0.5), random_views(2, ids, 0.5)
    short = ["a", "c", "d"]
    base["text+audio"] = Vectors(short, base["text+audio"].values[[0, 2, 3]])
    found = direction_ranks({"tuned": tuned, "base": base})
    assert all(list(of) == short and max(of.values()) <= 3 for system in found.values() for of in system.values())
    assert directions(found, 100, 100, 7).documents == 3
    nobody = {view: Vectors([], np.zeros((0, 2), np.float32)) for view in VIEWS}
    assert directions(direction_ranks({"base": nobody}), 100, 100, 7) == Directions(0, {}, {}, None)


def test_averages_are_of_directions_as_the_benchmarks_are() -> None:
    """Published with OmniRetriever: single 28.63 and dual 41.05 give all 34.84."""
    single = dict.fromkeys(AVERAGES["AVG-single"], 2863)
    dual = dict.fromkeys(AVERAGES["AVG-dual"], 4105)
    ranks_ = {
        name: {str(number): 1 if number < hits else 2 for number in range(10_000)}
        for name, hits in (single | dual).items()
    }
    of = directions({"base": ranks_}, 100, 100, 7).systems["base"]
    assert [round(100 * of[name]["R@1"], 2) for name in AVERAGES] == [28.63, 41.05, 34.84]
    assert of["AVG-all"]["R@5"] == 1.0


def test_tuned_is_compared_with_base_video_by_video(tmp_path: Path) -> None:
    ids = [f"v{number}" for number in range(30)]
    found = direction_ranks({"tuned": random_views(3, ids, 0.5), "base": random_views(3, ids, 2.0)})
    scored = directions(found, 300, 300, 7)
    all_ = {system: scored.systems[system]["AVG-all"]["R@1"] for system in ("tuned", "base")}
    assert scored.lead is not None and scored.lead.difference == pytest.approx(all_["tuned"] - all_["base"])
    assert scored.lead.difference > 0.1 and scored.lead.p == 1 / 301
    same = directions({"tuned": found["tuned"], "base": found["tuned"]}, 300, 300, 7)
    assert same.lead == Lead(0.0, 1.0)
    assert directions({"base": found["base"]}, 100, 100, 7).lead is None

    rows = [Ranked("tuned", name, one, rank) for name, of in found["tuned"].items() for one, rank in of.items()]
    write_ranked(tmp_path, rows)
    assert read_ranked(tmp_path) == rows == read_ranked(tmp_path, ["tuned"]) and read_ranked(tmp_path, ["base"]) == []
    write_scores(tmp_path, Scores(0, 30, directions=scored))
    read = read_scores(tmp_path).directions
    assert read == scored and list(read.systems) == ["tuned", "base"]
    assert (
        as_metrics(Scores(0, 0, directions=scored))["direction/base/t2av/R@5"] == scored.systems["base"]["t2av"]["R@5"]
    )
    lines = directions_table(scored).splitlines()
    assert lines[0] == "any to any: 30 test videos with text, picture and sound" and len(lines) == 4 + 15 + 2
    assert lines[4].split()[:2] == ["t2v", f"{scored.systems['tuned']['t2v']['R@1']:.3f}"]
    write_scores(tmp_path, Scores(0, 30))
    assert "directions" not in (tmp_path / "metrics.json").read_text() and read_scores(tmp_path).directions is None


def test_a_rank_does_not_depend_on_how_documents_are_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [f"v{number}" for number in range(23)]
    views = random_views(5, ids, 1.0)
    whole = ranks(views["text"], views["video"], ids)
    monkeypatch.setattr("tasks.shared.retrieval.search.QUERIES", 4)
    assert ranks(views["text"], views["video"], ids, chunk=12) == whole
    assert ranks(Vectors([], np.zeros((0, 6), np.float32)), views["video"], []) == []
