"""MLflow: a run for every execution of a stage, with what it read and wrote.

Tracking is never in the way: when MLflow cannot be reached the stage says so once and finishes without it.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.shared.execution.mlflow_upgrade import upgrade_database
from tasks.shared.runtime.files import canonical_json, sha256_json

if TYPE_CHECKING:
    from mlflow import MlflowClient

EXPERIMENT = "reeltrace"
REGISTERED_MODEL = "reeltrace-adapter"
DEFAULT_URI = "sqlite:///mlflow.db"
SEAL = "reeltrace.seal"
BATCH = 100  # params or tags that MLflow takes at a time
TAG_LIMIT = 5000  # characters of a tag's value that MLflow's database holds


class Tracker:
    """The MLflow run of one stage execution.

    Every method is safe to call when MLflow is down: the first error is printed as one line, the rest do nothing.
    """

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self.run_id: str | None = None
        self._client: MlflowClient | None = None
        self._params: dict[str, str] = {}
        self._metrics: list[tuple[str, int, float]] = []  # name, step, value
        self._guard(self._open)

    def params(self, params: Mapping[str, Any]) -> None:
        """Log params, nested keys joined by dots."""
        new = {key: str(value) for key, value in flat(params).items()}
        self._params |= new
        self._log_all("params", new.items())

    def metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log measured values, at a step where they have one."""
        new = [(metric_name(key), step, float(value)) for key, value in metrics.items()]
        self._metrics += new
        now = int(time.time() * 1000)
        self._log_all("metrics", [(name, value, now, step) for name, _, value in new])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a value longer than MLflow holds would be refused there, so it is cut here with a mark."""
        cut = {key: one if len(one) <= TAG_LIMIT else one[: TAG_LIMIT - 1] + "…" for key, one in tags.items()}
        self._log_all("tags", cut.items())

    def artifact(self, path: Path) -> None:
        """Keep a file or folder with the run, under its own name."""
        if path.is_dir():
            self._log("log_artifacts", str(path), path.name)
        else:
            self._log("log_artifact", str(path))

    def register(self, artifact: str, tags: Mapping[str, str]) -> None:
        """Make an artifact of this run a version of the registered model.

        MLflow itself keeps the alias `latest` on the newest version, and refuses to have it set.
        """

        client, run_id = self._client, self.run_id
        if client is None or run_id is None:
            return

        def call() -> None:
            if not client.search_registered_models(filter_string=f"name = '{REGISTERED_MODEL}'"):
                client.create_registered_model(REGISTERED_MODEL)
            source = f"{client.get_run(run_id).info.artifact_uri}/{artifact}"
            client.create_model_version(REGISTERED_MODEL, source, run_id=run_id, tags=dict(tags))

        self._guard(call)

    def end(self, status: str) -> None:
        """Close the run as FINISHED or FAILED, sealed: a change to its params or metrics later can be told."""
        self.tags({SEAL: seal(self._params, self._metrics)})
        self._log("set_terminated", status)

    def _open(self) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")  # a stage does not wait minutes for a server
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        import logging

        logging.getLogger("alembic").setLevel(logging.WARNING)
        logging.getLogger("mlflow.store").setLevel(logging.WARNING)
        from mlflow import MlflowClient

        uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_URI)
        if upgraded := upgrade_database(uri):
            print(f"{self.stage}: {upgraded}", file=sys.stderr)
        client = MlflowClient(uri)
        experiment = client.get_experiment_by_name(EXPERIMENT)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(EXPERIMENT)
        tags = git_tags() | environment_tags()
        self.run_id = client.create_run(experiment_id, run_name=self.stage, tags=tags).info.run_id
        self._client = client

    def _log(self, method: str, *args: object, **named: object) -> None:
        client, run_id = self._client, self.run_id
        if client is not None and run_id is not None:
            self._guard(lambda: getattr(client, method)(run_id, *args, **named))

    def _log_all(self, kind: Literal["params", "metrics", "tags"], entries: Iterable[tuple[Any, ...]]) -> None:
        """Log entries, many in one transaction: one alone takes as long."""
        if self._client is None:
            return
        from mlflow.entities import Metric, Param, RunTag

        make = {"params": Param, "metrics": Metric, "tags": RunTag}[kind]
        made = [make(*entry) for entry in entries]
        for start in range(0, len(made), BATCH):
            self._log("log_batch", **{kind: made[start : start + BATCH]})

    def _guard(self, call: Callable[[], object]) -> None:
        try:
            call()
        except Exception as error:  # whatever breaks in tracking must not cost the stage its work
            self._client = None
            print(f"{self.stage}: MLflow is out of reach, going on without it: {told(error)}", file=sys.stderr)


def told(error: BaseException) -> str:
    """What MLflow's client raised, on one line, without the password that may be in a server's address."""
    return re.sub(r"//[^/@\s]+@", "//", " ".join(str(error).split()))[:200]


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params with keys joined by dots; lists as JSON."""
    pairs: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            pairs |= flat(value, f"{prefix}{key}.")
        else:
            pairs[prefix + key] = canonical_json(value) if isinstance(value, list) else value
    return pairs


def metric_name(name: str) -> str:
    """A metric's name as MLflow takes it, which refuses @."""
    return name.replace("@", "_at_")


def seal(params: Mapping[str, str], metrics: Iterable[tuple[str, int, float]]) -> str:
    """sha256 over a run's params, and its metrics as (name, step, value), in whatever order they were logged."""
    return sha256_json([dict(params), sorted([name, step, repr(value)] for name, step, value in metrics)])


def environment_tags() -> dict[str, str]:
    """Where a stage runs: what may decide the last bits of a sum."""
    return {
        "env.python": platform.python_version(),
        "env.platform": platform.platform(),
        "env.machine": platform.machine(),
        "env.host": platform.node(),
    }


def git_tags() -> dict[str, str]:
    """The commit the workspace is at, and whether tracked files differ from it; empty outside git."""
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        dirty = subprocess.run(["git", "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return {}
    return {"git.commit": commit.stdout.strip(), "git.dirty": str(bool(dirty.stdout.strip())).lower()}
