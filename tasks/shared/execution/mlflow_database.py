"""A run written straight into MLflow's SQLite database, as MLflow's client would write it; a test compares the rows.

Importing that client takes five seconds of CPU, more than most stages. So a database whose tables are those known here
is written with plain SQL; every other store (a server, another database, a version not known) is left to the client.
"""

from __future__ import annotations

import math
import shutil
import sqlite3
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

SCHEMAS = {"3.17": "dc11669786a5", "3.18": "f4a9b2c7d1e6"}  # of the database, by the MLflow that reads it
PREFIX = "sqlite:///"
PARAM_LIMIT = 6000  # characters, to which MLflow's client cuts
WAIT = 60.0  # seconds, while others write

ADD = {
    "params": ("INSERT INTO params (key, value, run_uuid) VALUES (?, ?, ?)",),
    "tags": (
        "INSERT INTO tags (key, value, run_uuid) VALUES (?, ?, ?) "
        "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
    ),
    "metrics": (
        "INSERT OR IGNORE INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)",
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?) "
        "ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value, timestamp = excluded.timestamp, "
        "step = excluded.step, is_nan = excluded.is_nan "
        "WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    ),
}


class DatabaseRun:
    """A run of one experiment."""

    def __init__(self, database: Path, experiment: str, name: str, tags: Mapping[str, str]) -> None:
        """Open a run. Raises LookupError where MLflow's client must do it, sqlite3.Error where it cannot be done."""
        self._database = database
        self._id = uuid.uuid4().hex
        with closing(self._connect()) as connection, connection:
            experiment_id, self._place = _experiment(connection, experiment)
            self._uri = f"{self._place}/{self._id}/artifacts"
            connection.execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, "
                "start_time, source_version, lifecycle_stage, artifact_uri, experiment_id) "
                "VALUES (?, ?, 'UNKNOWN', '', '', 'unknown', 'RUNNING', ?, '', 'active', ?, ?)",
                (self._id, name, now(), self._uri, experiment_id),
            )
            rows = [(key, value, self._id) for key, value in {**tags, "mlflow.runName": name}.items()]
            connection.executemany(ADD["tags"][0], rows)

    def log(self, kind: str, entries: Iterable[tuple[Any, ...]]) -> None:
        """Log params or tags (key, value), or metrics (key, value, time, step), in one transaction."""
        rows = [(*ROW[kind](entry), self._id) for entry in entries]
        with closing(self._connect()) as connection, connection:
            for statement in ADD[kind]:
                connection.executemany(statement, rows)

    def artifact(self, path: Path) -> None:
        """Keep a file or folder with the run, under its own name."""
        folder = _folder(self._uri)
        folder.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, folder / path.name, copy_function=shutil.copyfile, dirs_exist_ok=True)
        else:
            shutil.copy2(path, folder / path.name)

    def register(self, model: str, artifact: str, tags: Mapping[str, str]) -> None:
        """Make an artifact the newest version of a registered model."""
        source, at = f"{self._uri}/{artifact}", now()
        with closing(self._connect()) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")  # no other run takes the same number
            connection.execute(
                "INSERT INTO registered_models (name, creation_time, last_updated_time) VALUES (?, ?, ?) "
                "ON CONFLICT (workspace, name) DO UPDATE SET last_updated_time = excluded.last_updated_time",
                (model, at, at),
            )
            (version,) = connection.execute(
                "INSERT INTO model_versions (name, version, creation_time, last_updated_time, current_stage, source, "
                "run_id, status, storage_location) SELECT ?, coalesce(max(version), 0) + 1, ?, ?, 'None', ?, ?, "
                "'READY', ? FROM model_versions WHERE name = ? RETURNING version",
                (model, at, at, source, self._id, source, model),
            ).fetchone()
            connection.executemany(
                "INSERT INTO model_version_tags (key, value, name, version) VALUES (?, ?, ?, ?)",
                [(key, value, model, version) for key, value in tags.items()],
            )

    def end(self, status: str) -> None:
        """Close the run."""
        with closing(self._connect()) as connection, connection:
            connection.execute("UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?", (status, now(), self._id))

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(f"{self._database.absolute().as_uri()}?mode=rw", uri=True, timeout=WAIT)


def database_of(uri: str) -> Path | None:
    """The SQLite file of a tracking address; None for another kind of store, or where there is none yet."""
    if not uri.startswith(PREFIX) or "?" in uri:
        return None
    path = Path(unquote(urlparse(uri).path[1:]))
    return path if path.is_file() else None


def now() -> int:
    """Milliseconds since 1970."""
    return int(time.time() * 1000)


def _experiment(connection: sqlite3.Connection, name: str) -> tuple[int, str]:
    """Its id and where its artifacts are."""
    schema = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    installed = ".".join(version("mlflow").split(".")[:2])
    if schema != [(SCHEMAS.get(installed),)]:  # a database of an older MLflow is first upgraded by the client
        raise LookupError(f"tables of schema {schema}")
    found = connection.execute(
        "SELECT experiment_id, artifact_location FROM experiments "
        "WHERE name = ? AND lifecycle_stage = 'active' AND workspace = 'default'",
        (name,),
    ).fetchone()
    if found is None or urlparse(found[1]).scheme not in ("", "file"):
        raise LookupError(f"experiment {name} is not here, or its artifacts are elsewhere")
    return found[0], found[1].rstrip("/")


def _folder(uri: str) -> Path:
    return Path(unquote(urlparse(uri).path)) if uri.startswith("file:") else Path(uri)


def _metric(entry: tuple[str, float, int, int]) -> tuple[str, float, int, int, bool]:
    """With NaN as MLflow keeps it, and infinity as the largest number."""
    name, value, at, step = entry
    nan, largest = math.isnan(value), sys.float_info.max
    return name, 0.0 if nan else min(max(value, -largest), largest), at, step, nan


ROW: dict[str, Callable[[Any], tuple[Any, ...]]] = {
    "params": lambda entry: (entry[0], entry[1][:PARAM_LIMIT]),
    "tags": tuple,
    "metrics": _metric,
}
