from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from alembic import command
from mlflow import MlflowClient
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base

from tasks.shared.execution.mlflow_client import upgrade_database
from tasks.shared.execution.tracking import EXPERIMENT, Tracker


def schema(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        return str(database.execute("SELECT version_num FROM alembic_version").fetchone()[0])


@pytest.fixture
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A database with an experiment, at the schema before the newest, by the migrations themselves; pytest keeps it."""
    kept = request.config.cache.mkdir(f"mlflow-{version('mlflow')}") / "older.db"
    if not kept.exists():
        path = tmp_path / "made.db"
        engine = utils.create_sqlalchemy_engine(f"sqlite:///{path}")
        Base.metadata.create_all(engine)
        config = utils._get_alembic_config(str(engine.url))
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, f"{utils._get_latest_schema_revision()}-1")
        engine.dispose()
        with closing(sqlite3.connect(path)) as database:
            database.execute("INSERT INTO experiments (name, lifecycle_stage) VALUES ('kept', 'active')")
            database.commit()
        path.replace(kept)
    path = tmp_path / "mlflow.db"
    shutil.copy(kept, path)
    return path


def test_a_database_of_an_older_mlflow_is_upgraded_by_the_stage_that_writes_to_it(
    older: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = schema(older)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri := f"sqlite:///{older}")
    Tracker("report").end("FINISHED")
    client = MlflowClient(uri)
    assert schema(older) == utils._get_latest_schema_revision() != before
    assert client.get_experiment_by_name("kept") is not None
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert [run.info.status for run in client.search_runs([experiment.experiment_id])] == ["FINISHED"]
    copy = older.with_name(f"mlflow.db-before-{version('mlflow')}")
    assert schema(copy) == before
    said = capsys.readouterr().err.strip().splitlines()
    assert said == [
        f"report: {older} was upgraded to the schema of MLflow {version('mlflow')}; as it was: {copy}",
    ]
    assert upgrade_database(uri) is None, "done once"


def test_an_address_with_options_is_of_the_same_file(older: Path) -> None:
    assert upgrade_database(f"sqlite:///{older}?timeout=30") is not None
    assert schema(older) == utils._get_latest_schema_revision()


def test_a_database_of_a_newer_mlflow_costs_one_line_that_says_so(
    mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(mlflow_database, "mlflow.db")
    with closing(sqlite3.connect("mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'fffffffffff1'")
        database.commit()
    content = Path("mlflow.db").read_bytes()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    Tracker("report").end("FINISHED")
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"mlflow.db was written by a newer MLflow than {version('mlflow')} (schema fffffffffff1)" in line
    assert line.endswith("install that one, or move the file away")
    assert Path("mlflow.db").read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"this is no database" * 100])
def test_what_mlflow_did_not_write_is_left_to_mlflow(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mlflow.db").write_bytes(content)
    assert upgrade_database(f"sqlite:///{tmp_path / 'mlflow.db'}") is None
    assert [one.name for one in tmp_path.iterdir()] == ["mlflow.db"]


@pytest.mark.parametrize("uri", ["sqlite:///missing.db", "sqlite://", "http://127.0.0.1:1", "file:///tmp/mlruns"])
def test_other_stores_are_not_touched(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert upgrade_database(uri) is None
    assert not list(tmp_path.iterdir())
