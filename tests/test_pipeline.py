"""The whole pipeline as DVC runs it, on a demo of a few events: what it makes, and what makes it run again."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tasks.shared.execution.failures import read_failures
from tasks.shared.execution.pipeline import dvc_hash
from tasks.shared.runtime.files import sha256_file
from tests.project import STAGES, Project


@pytest.mark.parametrize(
    "name",
    [
        "corpus/manifest.parquet",
        "corpus/queries.parquet",
        "corpus/qrels.train.trec",
        "corpus/qrels.test.trec",
        "mine/negatives.jsonl",
        "train/adapter/adapter_model.safetensors",
        "encode/lancedb",
        "encode/index.manifest.json",
        "evaluate/metrics.json",
        "evaluate/runs/tuned.trec",
        "evaluate/runs/base.trec",
        "evaluate/runs/text_dense.trec",
        "evaluate/runs/bm25.trec",
        "report/report.html",
        *(f"{stage}/manifest.json" for stage in STAGES),
    ],
)
def test_what_others_rely_on_is_made(project: Project, name: str) -> None:
    assert (project.root / "results" / name).exists()


def test_nothing_is_left_to_do(project: Project) -> None:
    assert project.repro() == []


@pytest.mark.parametrize(
    ("changes", "first"),
    [
        ({"train.lora_alpha": 8}, "train"),
        ({"train.modalities": ["video"]}, "train"),
        ({"encode.modalities": ["video"]}, "encode"),
        ({"evaluate.bootstrap": 101}, "evaluate"),
    ],
)
def test_a_changed_param_makes_its_stage_stale_and_what_follows(
    finished: Project, changes: dict[str, Any], first: str
) -> None:
    finished.change(changes)
    stale = finished.repro("--dry")
    # a stage whose inputs a dry run cannot know yet is not named by it, so what follows is read from the graph
    assert stale[0] == first
    assert set(stale) <= set(STAGES[STAGES.index(first) :])


def test_the_workspace_stays_as_git_knows_it(project: Project) -> None:
    assert project.run("git", "status", "--porcelain") == ""
    assert project.run("git", "diff", "--name-only", "HEAD~1").split() == ["dvc.lock"]


def test_the_broken_file_is_told_of_and_nothing_else_is_lost(project: Project) -> None:
    results = project.root / "results"
    videos = pq.read_table(results / "corpus" / "manifest.parquet").column("video_id").to_pylist()
    media = pq.read_table(results / "extract" / "media.parquet").column("video_id").to_pylist()
    (broken,) = read_failures(results / "extract")
    assert set(videos) - set(media) == {broken.video_id}
    assert broken.video_id in (results / "report" / "report.html").read_text(encoding="utf-8")


def test_every_manifest_is_true_and_leads_back_to_the_corpus(project: Project) -> None:
    published: dict[str, str] = {}
    for stage in STAGES:
        manifest = project.manifest(stage)
        for name, entry in manifest["inputs"].items():
            if name.startswith("results/"):
                assert published[name] == entry["sha256"], f"{stage} read {name}, which is not what was published"
        for name, entry in manifest["outputs"].items():
            path = project.root / name
            assert (sha256_file(path), path.stat().st_size) == (entry["sha256"], entry["bytes"]), name
            published[name] = entry["sha256"]
        name = f"results/{stage}/manifest.json"
        published[name] = sha256_file(project.root / name)
        listed = set(manifest["outputs"]) | {name}
        folder = project.root / "results" / stage
        files = {path.relative_to(project.root).as_posix() for path in folder.rglob("*") if path.is_file()}
        assert {file for file in files if not file.startswith(tuple(manifest["derived"]))} == listed


def test_our_hashes_are_dvcs(project: Project) -> None:
    lock = yaml.safe_load((project.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for stage in STAGES:
        for out in lock[stage]["outs"]:
            assert dvc_hash(project.root / out["path"]) == out["md5"], out["path"]


def test_no_result_says_where_or_when_it_was_made(project: Project) -> None:
    """Nothing of this place in what is published, or bytes would differ in another clone."""
    here = str(project.root).encode()
    for path in (project.root / "results").rglob("*"):
        if path.is_file() and path.suffix in (".json", ".jsonl", ".html", ".trec", ".csv", ".md"):
            assert here not in path.read_bytes(), path


def test_every_stage_is_a_finished_run_in_mlflow(project: Project) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{project.root / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("reeltrace")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == set(STAGES)
    lock = yaml.safe_load((project.root / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    for stage, run in runs.items():
        assert run.info.status == "FINISHED"
        assert run.data.tags["reeltrace.manifest"] == sha256_file(project.root / f"results/{stage}/manifest.json")
        assert run.data.tags["git.dirty"] == "false"
        assert json.loads(run.data.tags["dvc.outs"]) == {out["path"]: out["md5"] for out in lock[stage]["outs"]}
    version = client.get_model_version_by_alias("reeltrace-adapter", "latest")
    assert version.run_id == runs["train"].info.run_id
