from __future__ import annotations

import json
import math
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tasks.shared.execution.tracking import EXPERIMENT, REGISTERED_MODEL, TAG_LIMIT, Tracker, flat, git_tags


@pytest.fixture
def client(mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    shutil.copy(mlflow_database, tmp_path / "mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    return MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")


def test_a_run_holds_what_was_told(client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "metrics.json").write_text("{}")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_model.safetensors").write_bytes(b"weights")

    tracker = Tracker("train")
    tracker.params({"train": {"epochs": 4, "learning_rate": 1e-3}, "run.seed": 7, "document": {"text": ["title"]}})
    tracker.metrics({"nDCG@10": 0.25, "count/videos": 3.0})
    for step, loss in enumerate([3.0, 2.0, math.nan]):
        tracker.metrics({"loss": loss}, step=step)
    tracker.tags({"reeltrace.stage": "train", "long": "x" * 20_000})
    tracker.artifact(tmp_path / "metrics.json")
    tracker.artifact(tmp_path / "adapter")
    tracker.register("adapter", {"reeltrace.manifest": "abc"})
    tracker.end("FINISHED")
    assert capsys.readouterr().err == ""

    experiment = client.get_experiment_by_name(EXPERIMENT)
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_name == "train"
    assert run.info.status == "FINISHED"
    assert run.data.params == {
        "train.epochs": "4",
        "train.learning_rate": "0.001",
        "run.seed": "7",
        "document.text": '["title"]',
    }
    assert run.data.metrics["nDCG_at_10"] == 0.25
    assert run.data.metrics["count/videos"] == 3.0
    assert [point.value for point in client.get_metric_history(run.info.run_id, "loss")][:2] == [3.0, 2.0]
    assert run.data.tags["reeltrace.stage"] == "train"
    assert len(run.data.tags["long"]) == TAG_LIMIT
    assert run.data.tags["long"].endswith("…")
    assert {one.path for one in client.list_artifacts(run.info.run_id)} == {"metrics.json", "adapter"}

    version = client.get_model_version_by_alias(REGISTERED_MODEL, "latest")
    assert (int(version.version), version.run_id) == (1, run.info.run_id)
    assert version.tags["reeltrace.manifest"] == "abc"
    kept = client.download_artifacts(run.info.run_id, "adapter/adapter_model.safetensors")
    assert Path(kept).read_bytes() == b"weights"


def test_latest_moves_to_the_newest_version(client: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "weights").write_bytes(b"x")
    for _ in range(2):
        tracker = Tracker("train")
        tracker.artifact(tmp_path / "adapter")
        tracker.register("adapter", {})
        tracker.end("FINISHED")
    assert int(client.get_model_version_by_alias(REGISTERED_MODEL, "latest").version) == 2
    assert len(client.search_model_versions(f"name = '{REGISTERED_MODEL}'")) == 2


def said_once(capsys: pytest.CaptureFixture[str]) -> bool:
    captured = capsys.readouterr()
    return captured.out == "" and captured.err.count("MLflow is out of reach") == 1 and captured.err.count("\n") == 1


def use_everything(tracker: Tracker, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    tracker.params({"a": 1})
    tracker.metrics({"b": 1.0, "c": 2.0})
    tracker.tags({"c": "d"})
    tracker.artifact(tmp_path / "a")
    tracker.register("a", {})
    tracker.end("FINISHED")


def test_no_server_costs_a_line_and_little_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as free:  # a port that nobody listens on
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    started = time.monotonic()
    use_everything(Tracker("report"), tmp_path)
    assert time.monotonic() - started < 15
    assert said_once(capsys)


def test_a_database_that_cannot_be_opened_costs_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    use_everything(Tracker("report"), tmp_path)
    assert said_once(capsys)


def test_tracking_that_breaks_on_the_way_costs_a_line(
    client: MlflowClient, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = Tracker("report")

    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("gone\naway")

    monkeypatch.setattr(tracker._client, "log_batch", refuse)
    use_everything(tracker, tmp_path)
    assert said_once(capsys)


def test_flat_joins_nested_keys() -> None:
    assert flat({"a": {"b": {"c": 1}}, "d.e": None, "f": [1, "x"]}) == {"a.b.c": 1, "d.e": None, "f": '[1,"x"]'}


def test_the_commit_is_known_inside_git_and_only_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert git_tags() == {}
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    (tmp_path / "a").write_text("1")
    for arguments in (["init", "-q"], ["add", "a"], ["commit", "-qm", "first"]):
        subprocess.run([*git, *arguments], check=True)
    clean = git_tags()
    assert len(clean["git.commit"]) == 40
    assert clean["git.dirty"] == "false"
    (tmp_path / "a").write_text("2")
    assert git_tags() == clean | {"git.dirty": "true"}


def test_tags_are_plain_json_that_a_reader_can_take_apart() -> None:
    assert json.loads(flat({"text": ["é", "\u2028"]})["text"]) == ["é", "\u2028"]
