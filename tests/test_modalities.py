"""Training and the index each have their own modalities: what another choice costs, and what has none of them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.project import Project


def _impact(project: Project, given: str) -> Any:
    done = project.audit("impact", "--param", given, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_indexes_of_other_modalities_share_a_training(finished: Project) -> None:
    before = finished.manifest("train")
    told = _impact(finished, "encode.modalities=[audio]")
    finished.change({"encode.modalities": ["audio"]})
    assert finished.repro() == ["encode", "evaluate", "report"]
    assert [one["stage"] for one in told["rerun"]["changed"] if one["runs"] == "yes"] == [
        "encode",
        "evaluate",
        "report",
    ]
    assert finished.manifest("train") == before
    documents = pq.read_table(finished.root / "results/encode/documents.parquet").to_pylist()
    assert documents and all(one["modalities"] == ["audio"] and one["text"] is None for one in documents)
    adapter = before["outputs"]["results/train/adapter/adapter_model.safetensors"]["sha256"]
    traced = json.loads(finished.audit("trace", "--json").stdout)
    assert adapter in json.dumps(traced)


def test_another_order_is_the_same_choice(finished: Project) -> None:
    train = finished.manifest("train")
    told = _impact(finished, "train.modalities=[audio, video, text]")
    assert told["params"][0]["same"]
    assert any("DVC compares the order too" in note for note in told["notes"])
    finished.change({"train.modalities": ["audio", "video", "text"]})
    assert finished.repro() == ["train"], "DVC sees another value, and the stage publishes the same bytes"
    assert finished.manifest("train") == train
    finished.commit("another order")
    for command in (["verify"], ["verify", "--rev", "HEAD"]):
        verified = finished.audit(*command)
        assert verified.returncode == 0, verified.stdout
        assert "modalities" not in verified.stdout
    assert "params.yaml" not in finished.audit("trace").stdout
    told = _impact(finished, "train.modalities=[text, video, audio]")
    assert (told["params"][0]["same"], told["stale"]) == (True, {})


@pytest.fixture
def titled(finished: Project) -> tuple[Project, str, str]:
    """Documents are titles: the project, and a test and a training video without one."""
    videos = pq.read_table(finished.root / "results/corpus/manifest.parquet").to_pylist()
    extracted = pq.read_table(finished.root / "results/extract/media.parquet").column("video_id").to_pylist()
    (test,) = _untitled(videos, extracted, "test")[:1]
    (train,) = _untitled(videos, extracted, "train")[:1]
    finished.change(
        {
            "document.train_text": ["title"],
            "document.test_text": ["title"],
            "train.modalities": ["text"],
            "encode.modalities": ["text"],
        }
    )
    assert finished.repro() == ["mine", "train", "encode", "evaluate", "report"]
    return finished, test, train


def _untitled(videos: list[dict[str, Any]], extracted: list[str], split: str) -> list[str]:
    return [
        one["video_id"] for one in videos if one["split"] == split and not one["title"] and one["video_id"] in extracted
    ]


def test_a_video_with_none_of_them_is_counted_told_of_and_no_failure(titled: tuple[Project, str, str]) -> None:
    project, test, train = titled
    for stage in ("train", "encode"):
        assert project.manifest(stage)["counts"]["without_chosen_modalities"] == 1
    assert project.manifest("encode")["counts"]["failed"] == 0
    assert (project.root / "results/encode/failures.jsonl").read_text() == ""
    assert project.manifest("evaluate")["counts"]["videos_without_vectors"] == 2  # and the broken file
    run = (project.root / "results/evaluate/runs/tuned.trec").read_text()
    assert run and test not in run
    page = (project.root / "results/report/report.html").read_text(encoding="utf-8")
    assert "1 video has nothing of what was indexed (text): it is in no ranking of the embedder" in page
    assert "1 training video has nothing of what training shows (text) and was left out." in page

    query = run.split()[0]
    of_test, of_train = "it has nothing of encode.modalities (text)", "it has nothing of train.modalities (text)"
    assert f"not in the index: {of_test}" in project.audit("trace", f"{query}:{test}").stdout
    shown = project.audit("trace", f"{query}:{train}").stdout
    assert f"never a positive nor a negative (train split): {of_train}" in shown
    assert of_test in project.audit("graph", f"{query}:{test}", "--json").stdout
    assert f"not in the index: {of_test}" in project.audit("impact", test).stdout
    other = next(line.split()[2] for line in run.splitlines())
    assert "nothing of encode.modalities" not in project.audit("trace", f"{query}:{other}").stdout
    verified = project.audit("verify", "--deep")
    assert verified.returncode == 0, verified.stdout
