"""The stage with videos shown in part: any to any, and fusion beside the joint vector, over small vectors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from tasks.evaluate.run import run
from tasks.shared.artifacts.corpus import Judgment, read_qrels, write_qrels
from tasks.shared.artifacts.directions import DIRECTIONS, read_ranked
from tasks.shared.artifacts.fusion import read_fused
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.scores import SYSTEMS, as_metrics, read_per_query, read_scores
from tasks.shared.artifacts.vectors import VIEWS, Vectors, write_vectors
from tasks.shared.runtime.errors import UserError
from tests.conftest import Workspace
from tests.evaluate.test_evaluate_run import EVALUATE, QUERIES, VIDEOS, publish_corpus, publish_vectors, small

__all__ = ["small"]  # a fixture
METHODS = ["joint", "weights", "rrf", "entropy", "routed"]
TAUGHT = [f"t{number:02}" for number in range(40)]
FOLDER = Path("results/encode/vectors")


def unit(rng: np.random.Generator, ids: list[str], noise: float) -> Vectors:
    of_topic = np.eye(6)[[int(one[1:]) % 6 for one in ids]]
    values = of_topic + noise * rng.standard_normal(of_topic.shape)
    return Vectors(ids, (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32), ids)


def publish_parts() -> None:
    """Views of the test videos, v03 without sound; what base is taught are three queries, tuned forty."""
    rng = np.random.default_rng(8)
    for system in ("tuned", "base"):
        for view, shown in VIEWS.items():
            ids = [one for one in VIDEOS[:17] if not (one == "v03" and "audio" in shown)]
            write_vectors(FOLDER, system, "videos", unit(rng, ids, 0.2 if view == "video" else 1.0), view)
        taught = TAUGHT if system == "tuned" else TAUGHT[:3]
        write_vectors(FOLDER, system, "training_queries", unit(rng, taught, 0.3))
        for view in ("text", "video", "audio"):
            films = [one.replace("t", "w") for one in TAUGHT]
            write_vectors(FOLDER, system, "training_videos", unit(rng, films, 0.2 if view == "video" else 1.0), view)
    write_qrels(Path("results/corpus/qrels.train.trec"), [Judgment(one, one.replace("t", "w"), 1) for one in TAUGHT])


def test_both_are_scored_beside_the_systems_and_change_nothing_of_them(
    small: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    publish_corpus()
    publish_vectors("tuned", "base")
    publish_parts()
    small.run("evaluate", run)
    assert read_ranked() == [] and read_fused() == []
    plain = {name: (EVALUATE / name).read_bytes() for name in ("per_query.parquet", "systems.csv", "runs/tuned.trec")}
    small.set_params(
        {
            "evaluate.directions": True,
            "evaluate.fusion": METHODS,
            "evaluate.weights": {"text": 1.0, "video": 2.0, "audio": 1.0},
        }
    )
    capsys.readouterr()
    small.run("evaluate", run)
    said = capsys.readouterr().out
    scores = read_scores()
    assert plain == {name: (EVALUATE / name).read_bytes() for name in plain}
    assert {one.system for one in read_per_query()} == set(SYSTEMS)

    assert scores.directions is not None and scores.directions.documents == 16  # v03 lacks sound, v17 has no vector
    ranks = read_ranked()
    assert len(ranks) == 2 * 12 * 16 and {one.direction for one in ranks} == set(DIRECTIONS)
    assert "v03" not in {one.video_id for one in ranks}
    first = sum(one.rank == 1 for one in ranks if (one.system, one.direction) == ("tuned", "t2v"))
    assert scores.directions.systems["tuned"]["t2v"]["R@1"] == pytest.approx(first / 16)

    # the numbers are those of trec_eval over the run files
    qrels = read_qrels(Path("results/corpus/qrels.test.trec"))
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10"})
    fusion = scores.fusion
    assert fusion is not None and list(fusion.systems["tuned"]) == METHODS
    assert list(fusion.systems["base"]) == METHODS[:4] and list(fusion.notes) == ["base"]
    rows = read_fused()
    for system, of_system in fusion.systems.items():
        for method, values in of_system.items():
            ranking = read_run(system if method == "joint" else f"{system}.{method}")
            assert set(ranking) == set(QUERIES) and all(set(one) == set(VIDEOS[:17]) for one in ranking.values())
            oracle = {one: found["ndcg_cut_10"] for one, found in evaluator.evaluate(ranking).items()}
            mean = sum(oracle.values()) / len(qrels)
            assert values["nDCG@10"] == pytest.approx(mean, abs=1e-6)
            mine = {one.query_id: one.ndcg for one in rows if (one.system, one.method) == (system, method)}
            assert mine == pytest.approx(oracle, abs=1e-6)
            low, high = fusion.intervals[system][method]
            assert low <= mean <= high
            if method != "joint":
                test = fusion.tests[system][method]
                assert test.difference == pytest.approx(values["nDCG@10"] - of_system["joint"]["nDCG@10"])
                assert 0 < test.p <= test.p_holm <= 1
        assert of_system["joint"]["nDCG@10"] == scores.systems[system]["nDCG@10"]
    assert fusion.weights["tuned"]["weights"] == pytest.approx({"text": 0.25, "video": 0.5, "audio": 0.25})
    routed = fusion.weights["tuned"]["routed"]
    assert max(routed, key=lambda one: routed[one]) == "video", "where training queries found their videos"
    given = [one for one in rows if one.method == "routed"]
    assert given and all(sum((one.text, one.video, one.audio)) == pytest.approx(1) for one in given)  # type: ignore[arg-type]
    assert all(one.text is None for one in rows if one.method in ("joint", "rrf"))
    assert as_metrics(scores)["fusion/tuned/rrf/nDCG@10"] == fusion.systems["tuned"]["rrf"]["nDCG@10"]
    assert "any to any: 16 test videos" in said and "base: nothing is routed: 3 training queries" in said


def test_what_is_not_there_or_weighs_nothing_is_said(small: Workspace) -> None:
    publish_corpus()
    publish_vectors("tuned", "base")
    small.set_params({"evaluate.directions": True})
    with pytest.raises(UserError, match=r"tuned.videos.text.parquet is missing; run `dvc repro`"):
        small.run("evaluate", run)
    publish_parts()
    small.set_params(
        {
            "evaluate.directions": False,
            "evaluate.fusion": ["joint", "weights"],
            "evaluate.weights": {"text": 0.0, "video": 0.0, "audio": 1.0},
            "encode.modalities": ["text", "video"],
        }
    )
    with pytest.raises(UserError, match=r"evaluate.weights gives nothing to text, video; let one be above 0"):
        small.run("evaluate", run)
