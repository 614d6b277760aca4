"""MLflow's runs of stages, found by the digest of the manifest they published.

The database of the default, SQLite, is read directly and never written: to import MLflow takes five seconds, and a
trace must not. Any other tracking server is asked through MLflow's client.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from tasks.lineage.model import Run
from tasks.shared.execution.tracking import DEFAULT_URI, EXPERIMENT, format_error

MANIFEST_TAG = "reeltrace.manifest"
SQLITE = "sqlite:///"


class Tracking:
    """MLflow's runs. Where MLflow cannot be reached there are none, and `problem` says why in one line."""

    def __init__(self, uri: str | None = None, root: Path = Path()) -> None:
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT_URI
        self.root = root
        self.problem: str | None = None

    def of_manifests(self, digests: Collection[str]) -> dict[str, list[Run]]:
        """Runs by the manifest they published, the oldest first."""
        found: dict[str, list[Run]] = {digest: [] for digest in digests}
        for one in self._find(MANIFEST_TAG, found):
            found[str(one.manifest)].append(one)
        return found

    def of_stages(self, stages: Collection[str]) -> list[Run]:
        """Every run of some stages, the oldest first."""
        return self._find("reeltrace.stage", stages)

    def get(self, run_id: str) -> Run | None:
        """The run of this id; None where there is none."""
        if self.uri.startswith(SQLITE):
            return next(iter(self._read("run_uuid = ?", run_id)), None)
        try:
            return _of_client(self._client().get_run(run_id))
        except Exception as error:
            if "RESOURCE_DOES_NOT_EXIST" not in str(getattr(error, "error_code", "")):
                self._out_of_reach(error)
            return None

    def _find(self, tag: str, values: Collection[str]) -> list[Run]:
        if not values:
            return []
        if self.uri.startswith(SQLITE):
            tagged = "SELECT run_uuid FROM tags WHERE key = ? AND value IN (SELECT value FROM json_each(?))"
            return self._read(f"run_uuid IN ({tagged})", tag, json.dumps(list(values)))
        found: list[Run] = []
        try:
            client = self._client()
            experiment = client.get_experiment_by_name(EXPERIMENT)
            for value in sorted(values) if experiment else ():
                token = None
                while True:
                    page = client.search_runs(
                        [experiment.experiment_id], f"tags.`{tag}` = '{value}'", page_token=token, max_results=1000
                    )
                    found += [_of_client(run) for run in page]
                    if not (token := page.token):
                        break
        except Exception as error:  # whatever breaks in tracking must not cost the audit what it can tell without it
            self._out_of_reach(error)
        return sorted(found, key=_oldest_first)

    def _read(self, which: str, *values: str) -> list[Run]:
        """Runs that a condition on their rows chooses."""
        path = database_of(self.uri, self.root)
        if not path.is_file():
            todo = "set MLFLOW_TRACKING_URI to where the runs were logged"
            self.problem = f"MLflow's database {path} is not here; {todo}"
            return []
        query = (
            "SELECT run_uuid, name, status, start_time, end_time, artifact_uri, (SELECT json_group_object(key, value) "  # noqa: S608
            f"FROM tags WHERE tags.run_uuid = runs.run_uuid) FROM runs WHERE lifecycle_stage = 'active' AND {which}"
        )
        try:
            rows = read_database(path, query, values)
        except sqlite3.Error as error:
            self._out_of_reach(error)
            return []
        return sorted((_run(of, json.loads(tags)) for *of, tags in rows), key=_oldest_first)

    def _client(self) -> Any:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def _out_of_reach(self, error: Exception) -> None:
        where = urlparse(self.uri).hostname or self.uri
        self.problem = f"MLflow at {where} is out of reach: {format_error(error)}"


def database_of(uri: str, root: Path) -> Path:
    """The file of a SQLite tracking server, whose address may be relative to the project's root."""
    return root / unquote(urlparse(uri).path[1:])


def read_database(path: Path, query: str, values: Sequence[str] = ()) -> list[Any]:
    """Rows of MLflow's database, which is never written. Raises sqlite3.Error where they cannot be read."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=5)) as database:
        return database.execute(query, values).fetchall()


def _run(row: Sequence[Any], tags: dict[str, str]) -> Run:
    """From id, name, status, start, end and artifact address, and tags."""
    run_id, name, status, *times, artifacts = row
    stage, manifest = tags.get("reeltrace.stage", name or ""), tags.get(MANIFEST_TAG)
    started, ended = (None if one is None else datetime.fromtimestamp(one / 1000, UTC) for one in times)
    commit, dirty = tags.get("git.commit"), tags.get("git.dirty") == "true"
    return Run(run_id, stage, status, manifest, started, ended, commit, dirty, artifacts, tags)


def _of_client(run: Any) -> Run:
    info = run.info
    row = (info.run_id, info.run_name, info.status, info.start_time, info.end_time, info.artifact_uri)
    return _run(row, dict(run.data.tags))


def _oldest_first(run: Run) -> tuple[datetime, str]:
    return run.started or datetime.min.replace(tzinfo=UTC), run.run_id
