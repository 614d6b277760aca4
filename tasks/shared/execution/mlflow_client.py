"""A run written through MLflow's client: to a server, or to a database that is not there yet or of another version.

The schema of a SQLite database is that of the MLflow that wrote it, and each MLflow reads only its own. MLflow upgrades
one by itself only where a whole table is missing, and refuses it otherwise.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tasks.shared.execution.mlflow_database import database_of
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import waiting_for

QUIET = {  # a stage does not wait minutes for a server
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "GIT_PYTHON_REFRESH": "quiet",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}


class ClientRun:
    """A run of a server, or of a database that is not made yet or of another version; see `DatabaseRun`."""

    def __init__(self, uri: str, experiment: str, name: str, tags: Mapping[str, str]) -> None:
        os.environ |= QUIET | os.environ
        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        if upgraded := upgrade_database(uri):
            print(f"{name}: {upgraded}", file=sys.stderr)
        self._client = MlflowClient(uri)
        known = self._client.get_experiment_by_name(experiment)
        experiment_id = known.experiment_id if known else self._client.create_experiment(experiment)
        info = self._client.create_run(experiment_id, run_name=name, tags=dict(tags)).info
        self._id, self._uri = info.run_id, info.artifact_uri

    def log(self, kind: str, entries: Iterable[tuple[Any, ...]]) -> None:
        from mlflow.entities import Metric, Param, RunTag

        make = {"params": Param, "metrics": Metric, "tags": RunTag}[kind]
        made: dict[str, Any] = {kind: [make(*entry) for entry in entries]}
        self._client.log_batch(self._id, **made)

    def artifact(self, path: Path) -> None:
        if path.is_dir():
            self._client.log_artifacts(self._id, str(path), path.name)
        else:
            self._client.log_artifact(self._id, str(path))

    def register(self, model: str, artifact: str, tags: Mapping[str, str]) -> None:
        if not self._client.search_registered_models(filter_string=f"name = '{model}'"):
            self._client.create_registered_model(model)
        self._client.create_model_version(model, f"{self._uri}/{artifact}", run_id=self._id, tags=dict(tags))

    def end(self, status: str) -> None:
        self._client.set_terminated(self._id, status)


def upgrade_database(uri: str) -> str | None:
    """Bring a database that an older MLflow wrote to the schema of the installed MLflow, and keep a copy of it. What
    was done, as one line; None where `uri` names no SQLite file or nothing was to be done. Raises UserError where a
    newer MLflow wrote the database, or MLflow cannot upgrade it."""
    path = database_of(uri.partition("?")[0])
    if path is None or _is_current(path):
        return None
    from mlflow.db import upgrade as command  # what `mlflow db upgrade` runs

    installed = version("mlflow")
    with waiting_for(path.with_name(f"{path.name}-upgrade.lock"), "upgrading MLflow's database"):
        if _is_current(path):  # another stage has done it meanwhile
            return None
        copy = path.with_name(f"{path.name}-before-{installed}")
        shutil.copy2(path, copy)
        try:
            command.main([uri], standalone_mode=False)
        except Exception as error:  # whatever a migration raises
            raise UserError(f"MLflow {installed} cannot upgrade {path} (as it was: {copy}): {error}") from error
    return f"{path} was upgraded to the schema of MLflow {installed}; as it was: {copy}"


def _is_current(path: Path) -> bool:
    """Whether a database has the newest schema that the installed MLflow knows, or none at all. Raises UserError where
    it has one that the installed MLflow does not know."""
    from alembic.script import ScriptDirectory

    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=20) as database:
            row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # empty, or damaged: MLflow fills the one and says what is wrong with the other
        return True
    if row is None:
        return True
    package = find_spec("mlflow")
    assert package is not None and package.origin is not None
    migrations = ScriptDirectory(str(Path(package.origin).parent / "store" / "db_migrations"))
    if row[0] in migrations.get_heads():
        return True
    if all(row[0] != known.revision for known in migrations.walk_revisions()):
        raise UserError(
            f"{path} was written by a newer MLflow than {version('mlflow')} (schema {row[0]}); "
            "install that one, or move the file away"
        )
    return False
