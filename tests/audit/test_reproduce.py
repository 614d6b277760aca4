"""The whole project made again: identical bytes, and a forged result told from a true one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.audit.reproduce.reproduce import PREFIX
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query, read_scores, write_per_query
from tasks.shared.artifacts.vectors import Vectors, read_vectors, write_vectors
from tasks.shared.runtime.files import read_json, sha256_file, write_json
from tests.project import Project

NEEDED = ["base", "corpus", "extract", "transcribe", "mine", "train", "encode", "evaluate"]
VECTORS = "results/encode/vectors/tuned.videos.parquet"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)  # asked of TMPDIR once
    return folder


def reproduced(project: Project, *arguments: str) -> tuple[int, Any, str]:
    done = project.audit("reproduce", "--json", *arguments)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_whole_project_gives_identical_bytes(finished: Project, temporary: Path) -> None:
    before = sha256_file(finished.root / "mlflow.db")
    code, answer, said = reproduced(finished)
    assert code == 0, said
    assert answer["outcome"] == "identical bytes"
    assert [one["stage"] for one in answer["stages"]] == NEEDED
    for one in answer["stages"]:
        content = (finished.root / "results" / one["stage"] / "manifest.json").read_bytes()
        assert one["made"] == one["recorded"] == hashlib.sha256(content).hexdigest()
        assert one["verdict"] == "identical bytes" and one["files"] > 0
        assert one["seconds"] > 0 and len(one["runs"]) == 1 and one["outs"]
    assert answer["commit"] == finished.run("git", "rev-parse", "HEAD~1").strip(), "the stages ran on the first commit"
    assert answer["linked"] == [".reeltrace/untrained"]
    assert answer["score"]["identical"] is True
    assert answer["worktree"] is None and list(temporary.glob(f"{PREFIX}*")) == []
    assert sha256_file(finished.root / "mlflow.db") == before, "tracking is left alone"
    assert finished.run("git", "status", "--porcelain") == ""


def test_a_forged_result_differs_and_is_told_where_and_how_much(finished: Project, temporary: Path) -> None:
    """A vector turned round and a query's score raised, with every digest made to fit: only running it again tells."""
    results = finished.root / "results"
    vectors = read_vectors("tuned", "videos", results / "encode" / "vectors")
    values = np.array(vectors.values)
    values[2] *= -1
    write_vectors(results / "encode" / "vectors", "tuned", "videos", Vectors(vectors.ids, values, vectors.sources))
    scores = read_per_query(results / "evaluate")
    raised = next(one for one in scores if one.system == "tuned" and one.values[HEADLINE] < 0.9)
    true = raised.values[HEADLINE]
    raised.values[HEADLINE] = 1.0
    write_per_query(results / "evaluate", scores)
    metrics = read_json(results / "evaluate" / METRICS)
    queries = metrics["queries"]
    metrics["systems"]["tuned"][HEADLINE] += (1.0 - true) / queries
    write_json(results / "evaluate" / METRICS, metrics)
    fit(finished, "encode", "outputs", VECTORS)
    fit(finished, "evaluate", "inputs", VECTORS)
    fit(finished, "evaluate", "outputs", f"results/evaluate/{PER_QUERY}", f"results/evaluate/{METRICS}")

    code, answer, said = reproduced(finished, "--from", "encode")
    assert code == 1, said
    assert answer["outcome"] == "differs"
    encode, evaluate = answer["stages"][-2:]
    assert [one["verdict"] for one in answer["stages"][:-2]] == ["taken as recorded"] * 6
    (file,) = encode["differing"]
    assert (file["path"], file["recorded"]) == (VECTORS, sha256_file(finished.root / VECTORS))
    assert file["amount"]["of"] == "vectors" and file["amount"]["differing"] == 1
    assert file["amount"]["where"] == vectors.ids[2]
    assert file["amount"]["lowest_cosine"] == pytest.approx(-1, abs=1e-6)
    assert file["amount"]["largest"] == pytest.approx(2 * np.abs(values[2]).max(), rel=1e-6)
    assert {one["path"].rpartition("/")[2] for one in evaluate["differing"]} == {PER_QUERY, METRICS}
    score = answer["score"]
    assert score["moved"] == [
        {"system": "tuned", "query": raised.query_id, "recorded": 1.0, "made": true, "by": 1.0 - true}
    ]
    assert score["scored"] == len(scores)
    (tuned,) = (one for one in score["means"] if (one["system"], one["measure"]) == ("tuned", HEADLINE))
    assert tuned["recorded"] == metrics["systems"]["tuned"][HEADLINE]
    assert [one for one in score["means"] if one["recorded"] != one["made"]] == [tuned]
    kept = Path(answer["worktree"])
    assert read_scores(kept / "results" / "evaluate").systems["tuned"][HEADLINE] == tuned["made"]
    assert kept.is_relative_to(temporary) and str(kept) in answer["removal"]


def test_a_model_that_was_exchanged_is_told_before_anything_runs(finished: Project, temporary: Path) -> None:
    config = finished.root / ".reeltrace" / "untrained" / "omni_embedder.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    done = finished.audit("reproduce", "--from", "encode")
    assert done.returncode == 2
    assert "base.model: .reeltrace/untrained has other weights than the results were made with" in done.stderr
    assert "Running stage" not in done.stderr
    assert list(temporary.glob(f"{PREFIX}*")) == []


def fit(project: Project, stage: str, part: str, *paths: str) -> None:
    """Make a manifest's entries those of the files as they lie there."""
    manifest = project.manifest(stage)
    for path in paths:
        file = project.root / path
        manifest[part][path] = {"sha256": sha256_file(file), "bytes": file.stat().st_size}
    write_json(project.root / "results" / stage / "manifest.json", manifest)
