"""Params, metrics with every step, and model versions of MLflow's runs: all that their seals were made over.

SQLite is read directly and never written; any other server is asked through MLflow's client.
"""

from __future__ import annotations

import json
import math
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.lineage.mlflow import SQLITE, database_of, read_database
from tasks.shared.execution.tracking import REGISTERED_MODEL


@dataclass
class Record:
    """What MLflow has of a run."""

    params: dict[str, str] = field(default_factory=dict)
    metrics: list[tuple[str, int, float]] = field(default_factory=list)  # name, step, value of all that was logged
    latest: dict[str, float] = field(default_factory=dict)  # what MLflow shows as the value of a metric
    versions: dict[str, dict[str, str]] = field(default_factory=dict)  # of the model from this run: tags, by version


def read_records(uri: str, root: Path, run_ids: Sequence[str]) -> dict[str, Record]:
    """Records by run id. Raises OSError where MLflow cannot be reached or its database cannot be read."""
    if not run_ids:
        return {}
    if uri.startswith(SQLITE):
        try:
            return _of_sqlite(database_of(uri, root), run_ids)
        except sqlite3.Error as error:
            raise OSError(f"its database cannot be read: {error}") from error
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(uri)
        return {run_id: _of_client(client, run_id) for run_id in run_ids}
    except MlflowException as error:
        raise OSError(" ".join(str(error).split())[:200]) from error


def damaged(uri: str, root: Path) -> tuple[str, str, str, str] | None:
    """Of a SQLite database that is there and is none: where, record, expected and found; None of any other."""
    path = database_of(uri, root)
    if not uri.startswith(SQLITE) or not path.is_file():
        return None
    try:
        problems = [row[0] for row in read_database(path, "PRAGMA quick_check(1)")]
    except sqlite3.OperationalError:  # locked, say
        return None
    except sqlite3.DatabaseError as error:
        problems = [str(error)]
    return None if problems == ["ok"] else (path.as_posix(), "SQLite", "a sound database", "; ".join(problems))


def _of_sqlite(path: Path, run_ids: Sequence[str]) -> dict[str, Record]:
    found = {run_id: Record() for run_id in run_ids}

    def rows(columns: str, table: str) -> list[Any]:
        query = f"SELECT {columns} FROM {table} WHERE run_uuid IN (SELECT value FROM json_each(?))"  # noqa: S608
        return read_database(path, query, [json.dumps(list(run_ids))])

    for run_id, key, value in rows("run_uuid, key, value", "params"):
        found[run_id].params[key] = value
    for run_id, key, step, value, nan in rows("run_uuid, key, step, value, is_nan", "metrics"):
        found[run_id].metrics.append((key, step, _number(value, nan)))
    for run_id, key, value, nan in rows("run_uuid, key, value, is_nan", "latest_metrics"):
        found[run_id].latest[key] = _number(value, nan)
    versions = (
        f"(SELECT run_id AS run_uuid, version, t.key, t.value FROM model_versions v LEFT JOIN model_version_tags t "  # noqa: S608
        f"USING (name, version) WHERE name = '{REGISTERED_MODEL}' AND current_stage != 'Deleted_Internal')"
    )
    for run_id, number, key, value in rows("run_uuid, version, key, value", versions):
        tags = found[run_id].versions.setdefault(str(number), {})
        if key is not None:
            tags[key] = value
    return found


def _number(value: float, nan: int) -> float:
    """A value as it was logged: the database holds no NaN, and the largest number for an infinite one."""
    if nan:
        return math.nan
    value = float(value)
    return math.copysign(math.inf, value) if abs(value) >= sys.float_info.max else value


def _of_client(client: Any, run_id: str) -> Record:
    data = client.get_run(run_id).data
    record = Record(params=dict(data.params), latest={name: _number(one, 0) for name, one in data.metrics.items()})
    for name in data.metrics:
        record.metrics += [(name, one.step, _number(one.value, 0)) for one in client.get_metric_history(run_id, name)]
    for one in client.search_model_versions(f"run_id = '{run_id}'"):
        if one.name == REGISTERED_MODEL:
            record.versions[str(one.version)] = dict(one.tags)
    return record


def versions_by_run(uri: str, root: Path) -> dict[str, list[str]]:
    """Versions of the registered model by the run that they came from; none where they cannot be had."""
    try:
        if uri.startswith(SQLITE):
            query = "SELECT run_id, version FROM model_versions WHERE name = ? ORDER BY version"
            pairs = read_database(database_of(uri, root), query, [REGISTERED_MODEL])
        else:
            from mlflow import MlflowClient

            versions = MlflowClient(uri).search_model_versions(f"name = '{REGISTERED_MODEL}'")
            pairs = [(one.run_id, one.version) for one in versions]
    except Exception:  # no registry costs the versions, not the answer: `Tracking.problem` says what is wrong
        return {}
    found: dict[str, list[str]] = {}
    for run_id, version in pairs:
        found.setdefault(run_id, []).append(str(version))
    return found
