"""A run written through MLflow's client: to a server, or to a database that is not there yet or of another version."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.shared.execution.mlflow_upgrade import upgrade_database

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
