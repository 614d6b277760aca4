from __future__ import annotations

import json
import math
import re
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.version import VERSION

from tasks.shared.execution.mlflow_client import ClientRun
from tasks.shared.execution.mlflow_database import SCHEMAS, DatabaseRun
from tasks.shared.execution.tracking import (
    EXPERIMENT,
    REGISTERED_MODEL,
    TAG_LIMIT,
    Tracker,
    flat,
    git_tags,
)
from tests.project import copy_database


@pytest.fixture
def client(mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    copy_database(mlflow_database, tmp_path / "mlflow.db", tmp_path)
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


def tell(run: Any, folder: Path) -> None:
    run.log("params", [("a.b", "1"), ("long", "y" * 7000)])
    run.log("tags", [("git.commit", "abc"), ("é", "漢\n'")])
    run.log("tags", [("git.commit", "def")])
    run.log("metrics", [("loss", 2.0, 50, 1), ("loss", 3.0, 60, 2), ("loss", 9.0, 70, 0), ("nDCG_at_10", 0.1, 50, 0)])
    run.log("metrics", [("loss", 3.0, 60, 2), ("gone", math.nan, 50, 0), ("vast", math.inf, 50, 0)])
    run.artifact(folder / "adapter")
    run.artifact(folder / "adapter" / "weights")
    run.register(REGISTERED_MODEL, "adapter", {"reeltrace.manifest": "abc"})
    run.register(REGISTERED_MODEL, "adapter", {})
    run.end("FINISHED")


def test_the_database_gets_the_rows_that_mlflows_client_writes(client: MlflowClient, tmp_path: Path) -> None:
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "weights").write_bytes(b"x")
    path, tables, kept = tmp_path / "mlflow.db", [], []
    with sqlite3.connect(path) as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for direct in (False, True):
        before = {name: set(rows_of(path, name)) for name in names}
        tags = {"git.dirty": "false"}
        run = (
            DatabaseRun(path, EXPERIMENT, "train", tags)
            if direct
            else ClientRun(f"sqlite:///{path}", EXPERIMENT, "train", tags)
        )
        tell(run, tmp_path)
        with sqlite3.connect(path) as database:
            (run_id,) = database.execute("SELECT run_uuid FROM runs ORDER BY rowid DESC LIMIT 1").fetchone()
            artifacts = {one.path for one in client.list_artifacts(run_id)}
            kept.append((artifacts, Path(client.download_artifacts(run_id, "adapter/weights")).read_bytes()))
            new = {name: set(rows_of(path, name)) - before[name] for name in names}
            for table in ("registered_models", "model_versions", "model_version_tags"):
                database.execute(f"DELETE FROM {table}")
        tables.append({name: sorted(neutral(rows, run_id)) for name, rows in new.items()})
    assert tables[0] == tables[1]
    assert {name for name, rows in tables[0].items() if rows} >= {
        "runs", "params", "metrics", "latest_metrics", "tags", "registered_models", "model_versions",
        "model_version_tags",
    }  # fmt: skip
    assert kept[0] == kept[1] == ({"adapter", "weights"}, b"x")


def rows_of(path: Path, table: str) -> list[tuple[str, ...]]:
    with sqlite3.connect(path) as database:
        return [tuple(map(repr, row)) for row in database.execute(f'SELECT * FROM "{table}"')]


def neutral(rows: set[tuple[str, ...]], run_id: str) -> list[tuple[str, ...]]:
    """Rows without what may differ: the run's id, and times of now in milliseconds."""
    return [tuple(re.sub(r"^1\d{12}$", "TIME", one.replace(run_id, "RUN")) for one in row) for row in rows]


def test_the_tables_of_this_mlflow_are_known(mlflow_database: Path) -> None:
    """Another version of MLflow is used with its client until its tables are looked at."""
    with sqlite3.connect(mlflow_database) as database:
        ((schema,),) = database.execute("SELECT version_num FROM alembic_version")
    assert schema == SCHEMAS.get(".".join(VERSION.split(".")[:2])), f"MLflow {VERSION}"


def test_a_database_of_unknown_tables_is_left_to_the_client(client: MlflowClient, tmp_path: Path) -> None:
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as database:
        database.execute("UPDATE alembic_version SET version_num = 'another'")
    with pytest.raises(LookupError, match="another"):
        DatabaseRun(path, EXPERIMENT, "train", {})


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

    monkeypatch.setattr(tracker._run, "log", refuse)
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
