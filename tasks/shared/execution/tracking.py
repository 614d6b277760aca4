"""MLflow: a run for every execution of a stage, with what it read and wrote.

Tracking never fails a stage: when MLflow cannot be reached, one line says so and the stage finishes without it.
"""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tasks.shared.execution.mlflow_database import DatabaseRun, database_of, now
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import canonical_json, sha256_json

if TYPE_CHECKING:
    from tasks.shared.execution.mlflow_client import ClientRun

    Run = DatabaseRun | ClientRun

EXPERIMENT = "reeltrace"
REGISTERED_MODEL = "reeltrace-adapter"
DEFAULT_URI = "sqlite:///mlflow.db"
SEAL = "reeltrace.seal"
BATCH = 100  # params or tags that MLflow takes at a time
Kind = Literal["params", "metrics", "tags"]
TAG_LIMIT = 5000  # characters of a tag's value that MLflow's database holds


class Tracker:
    """The MLflow run of one stage execution. When MLflow is down the first error is printed as one line, and the rest
    does nothing."""

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._run: Run | None = None
        self._params: dict[str, str] = {}
        self._metrics: list[tuple[str, int, float]] = []  # name, step, value
        uri = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_URI)
        try:
            self._run = opened(uri, stage, git_tags() | environment_tags())
        except Exception as error:  # whatever breaks in tracking must not cost the stage its work
            self._broken(error)

    def params(self, params: Mapping[str, Any]) -> None:
        """Log params, nested keys joined by dots."""
        new = {key: str(value) for key, value in flat(params).items()}
        self._params |= new
        self._log("params", list(new.items()))

    def metrics(self, metrics: Mapping[str, float], step: int = 0) -> None:
        """Log measured values, at a step where they have one."""
        new = [(metric_name(key), step, float(value)) for key, value in metrics.items()]
        self._metrics += new
        at = now()
        self._log("metrics", [(name, value, at, step) for name, _, value in new])

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags; a value longer than MLflow holds, which would refuse it, is cut with a mark."""
        cut = {key: one if len(one) <= TAG_LIMIT else one[: TAG_LIMIT - 1] + "…" for key, one in tags.items()}
        self._log("tags", list(cut.items()))

    def artifact(self, path: Path) -> None:
        """Keep a file or folder with the run, under its own name."""
        self._guard(lambda run: run.artifact(path))

    def register(self, artifact: str, tags: Mapping[str, str]) -> None:
        """Make an artifact of this run a version of the registered model; MLflow keeps the alias `latest` on it."""
        self._guard(lambda run: run.register(REGISTERED_MODEL, artifact, tags))

    def end(self, status: str) -> None:
        """Close the run as FINISHED or FAILED, sealed: a later change to its params or metrics can be detected."""
        self.tags({SEAL: seal(self._params, self._metrics)})
        self._guard(lambda run: run.end(status))

    def _log(self, kind: Kind, entries: list[tuple[Any, ...]]) -> None:
        """Log entries, many in one transaction: one alone takes as long."""
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            self._guard(lambda run: run.log(kind, batch))  # noqa: B023 (called at once)

    def _guard(self, call: Callable[[Run], object]) -> None:
        if self._run is None:
            return
        try:
            call(self._run)
        except Exception as error:  # whatever breaks in tracking must not cost the stage its work
            self._broken(error)

    def _broken(self, error: Exception) -> None:
        self._run = None
        print(f"{self.stage}: MLflow is out of reach, going on without it: {format_error(error)}", file=sys.stderr)


def opened(uri: str, name: str, tags: Mapping[str, str]) -> Run:
    """A new run at a tracking address."""
    if (database := database_of(uri)) is not None:
        with suppress(LookupError, sqlite3.Error):  # the client says better what is wrong with a database
            return DatabaseRun(database, EXPERIMENT, name, tags)
    from tasks.shared.execution.mlflow_client import ClientRun

    return ClientRun(uri, EXPERIMENT, name, tags)


def format_error(error: BaseException) -> str:
    """An error of MLflow's client on one line, without the password that may be in a server's address."""
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
        commit = git.head()
    except UserError:
        return {}
    return {"git.commit": commit, "git.dirty": str(bool(git.changed_files())).lower()} if commit else {}
