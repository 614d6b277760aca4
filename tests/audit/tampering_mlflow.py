"""Tamperings with MLflow: its SQLite database, and the copies of artifacts that it keeps."""

from __future__ import annotations

import json

from tests.audit.tamperer import LANCE, Tamperer, Tampering, flipped


def change_metric(t: Tamperer) -> Tampering:
    run, _, name, step, value = t.drawn("SELECT key, step, value FROM metrics WHERE run_uuid = RUN")
    changed = value + t.random.choice([1.0, 2.0, -0.25])
    if name.startswith("items/"):
        changed = value + 1
    with t.mlflow() as database:
        database.execute(
            "UPDATE metrics SET value = ? WHERE run_uuid = ? AND key = ? AND step = ?", (changed, run, name, step)
        )
        if t.random.random() < 0.7:
            database.execute(
                "UPDATE latest_metrics SET value = ? WHERE run_uuid = ? AND key = ? AND step = ?",
                (changed, run, name, step),
            )
    return Tampering("MLflow metric changed", *_metric(run, name))


def delete_metric(t: Tamperer) -> Tampering:
    run, _, name, step = t.drawn("SELECT key, step FROM metrics WHERE run_uuid = RUN")
    with t.mlflow() as database:
        for table in ("metrics", "latest_metrics"):
            database.execute(f"DELETE FROM {table} WHERE run_uuid = ? AND key = ? AND step = ?", (run, name, step))
    return Tampering("MLflow metric deleted", *_metric(run, name))


def add_metric(t: Tamperer) -> Tampering:
    run, _, name, step = t.drawn("SELECT key, step FROM metrics WHERE run_uuid = RUN")
    name, step = t.random.choice([(name, step), (name, step + 5), ("made/up", 0)])
    with t.mlflow() as database:
        database.execute(
            "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
            "VALUES (?, 7.5, 9999999999999, ?, ?, 0)",
            (name, run, step),
        )
        database.execute(
            "INSERT OR REPLACE INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) "
            "VALUES (?, 7.5, 9999999999999, ?, 0, ?)",
            (name, step, run),
        )
    return Tampering("MLflow metric added", *_metric(run, name))


def _metric(run: str, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What must be named: the metric where an artifact states it, else the run by its seal; and what else may be."""
    metric = (f"MLflow run {run} metric {name}",)
    return (_seal(run), metric) if name.startswith(("items/", "made/")) else (metric, _seal(run))


def _seal(run: str) -> tuple[str, ...]:
    return (f"MLflow run {run} params and metrics",)


def change_shown(t: Tamperer) -> Tampering:
    run, _, name = t.drawn("SELECT key FROM latest_metrics WHERE run_uuid = RUN")
    with t.mlflow() as database:
        database.execute("UPDATE latest_metrics SET value = value + 0.5 WHERE run_uuid = ? AND key = ?", (run, name))
    return Tampering("MLflow's shown metric changed", (f"MLflow run {run} metric {name}",))


def change_param(t: Tamperer) -> Tampering:
    run, _, name, value = t.drawn("SELECT key, value FROM params WHERE run_uuid = RUN")
    with t.mlflow() as database:
        database.execute("UPDATE params SET value = ? WHERE run_uuid = ? AND key = ?", (value + "1", run, name))
    return Tampering("MLflow param changed", (f"MLflow run {run} param {name}",), _seal(run))


def delete_param(t: Tamperer) -> Tampering:
    run, _, name = t.drawn("SELECT key FROM params WHERE run_uuid = RUN")
    with t.mlflow() as database:
        database.execute("DELETE FROM params WHERE run_uuid = ? AND key = ?", (run, name))
    return Tampering("MLflow param deleted", (f"MLflow run {run} param {name}",), _seal(run))


def add_param(t: Tamperer) -> Tampering:
    run, _ = t.random.choice(t.runs)
    with t.mlflow() as database:
        database.execute("INSERT INTO params (key, value, run_uuid) VALUES ('train.secret', '1', ?)", (run,))
    return Tampering("MLflow param added", (f"MLflow run {run} param train.secret",), _seal(run))


TAGS = ("reeltrace.manifest", "reeltrace.inputs", "reeltrace.stage", "reeltrace.seal", "dvc.outs", "dvc.deps")


def change_tag(t: Tamperer) -> Tampering:
    name = t.random.choice(TAGS)
    query = "SELECT value FROM tags WHERE run_uuid = RUN AND key = ? AND value != '{}'"
    run, stage, value = t.drawn(query, (name,))
    if name.startswith("dvc.") or name == "reeltrace.inputs":
        said = json.loads(value)
        path = t.random.choice(sorted(path for path in said if path != LANCE))
        said[path] = t.random.choice([said[path][::-1], "0" * len(said[path])])
        value = json.dumps(said)
    else:
        value = {"train": "base"}.get(stage, "train") if name == "reeltrace.stage" else "f" + value[:-1][::-1]
    with t.mlflow() as database:
        database.execute("UPDATE tags SET value = ? WHERE run_uuid = ? AND key = ?", (value, run, name))
    return Tampering("MLflow tag changed", (f"MLflow run {run} tag {name}",))


def delete_tag(t: Tamperer) -> Tampering:
    name = t.random.choice(TAGS)
    run, _ = t.random.choice(t.runs)
    with t.mlflow() as database:
        database.execute("DELETE FROM tags WHERE run_uuid = ? AND key = ?", (run, name))
    return Tampering("MLflow tag deleted", (f"MLflow run {run} tag {name}",))


def change_version(t: Tamperer) -> Tampering:
    *_, number = t.drawn("SELECT version FROM model_versions WHERE run_id = RUN")
    with t.mlflow() as database:
        how = (
            "UPDATE model_version_tags SET value = 'f' || value"
            if t.random.random() < 0.5
            else "DELETE FROM model_version_tags"
        )
        database.execute(f"{how} WHERE version = ?", (number,))
    return Tampering("model version's tag changed", (f"MLflow model reeltrace-adapter version {number}",))


def change_copy(t: Tamperer) -> Tampering:
    run, _ = t.random.choice(t.runs)
    top = t.root / "mlruns" / "1" / run / "artifacts"
    path = t.random.choice(sorted(one for one in top.rglob("*") if one.is_file()))
    where = f"MLflow run {run} artifact "
    how = t.random.choice(["flip", "delete", "add"])
    if how == "add":
        added = t.make(path.parent / ".added")
        added.write_text("x", encoding="utf-8")
        return Tampering("MLflow's copy changed", (where + added.relative_to(top).as_posix(),))
    place = t.keep(path.relative_to(t.root).as_posix())
    content = place.read_bytes()
    if how == "delete":
        place.unlink()
    else:
        place.write_bytes(flipped(content, t.random) if content else b"x")
    return Tampering("MLflow's copy changed", (where + path.relative_to(top).as_posix(),))
