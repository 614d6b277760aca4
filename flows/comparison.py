"""The comparison of a grid's cells: a table and a plot on the flow run's page, and runs under one parent in MLflow."""

from __future__ import annotations

import base64
import csv
import io
import os
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from flows.cells import Cell
from flows.names import value_text
from tasks.shared.artifacts.scores import HEADLINE, MEASURES
from tasks.shared.execution.tracking import DEFAULT_URI, flat, format_error, metric_name

SYSTEM = "tuned"
BAR_INCHES, LEAST_INCHES, SQUARE_INCHES = 0.32, 1.6, 0.75  # of the plot
EXPERIMENT = "reeltrace-grids"  # of MLflow: apart from the runs of stages, which are found by their digests


def publish(cells: Sequence[Cell], name: str, page: str) -> str:
    """Publish the comparison as artifacts of the flow run and in MLflow; its result in one sentence.

    Args:
        name: of the grid's corpus and revision.
        page: address of MLflow's pages.
    """
    rows = table(cells)
    best = max(
        (one for one in cells if headline_value(one) is not None),
        key=lambda one: headline_value(one) or 0.0,
        default=None,
    )
    headline = f"best: {best.label} with {HEADLINE} {headline_value(best):.3f}" if best else "no cell has a score"
    picture = plot(cells)
    create_table_artifact(rows, key="comparison", description=f"{name}: {headline}")
    create_markdown_artifact(_page(cells, name, headline, picture), key="comparison-plot", description=headline)
    if (link := _log_to_mlflow(cells, name, page, rows, picture)) is not None:
        create_link_artifact(link, "MLflow: the grid's parent run", key="mlflow-grid")
    return headline


def headline_value(cell: Cell) -> float | None:
    """The headline measure of the tuned system; None where there is none."""
    return cell.scores.systems.get(SYSTEM, {}).get(HEADLINE) if cell.scores else None


def interval(cell: Cell) -> tuple[float, float] | None:
    """Its 95 % bootstrap interval."""
    found = cell.scores.intervals.get(SYSTEM, {}).get(HEADLINE) if cell.scores else None
    return (found[0], found[1]) if found else None


def table(cells: Sequence[Cell]) -> list[dict[str, Any]]:
    """A row a cell: what it varies, the tuned system's measures, how many stages it ran itself, its experiment."""
    rows = []
    for one in cells:
        between = interval(one)
        measures = one.scores.systems.get(SYSTEM, {}) if one.scores else {}
        rows.append(
            {key: value_text(given) for key, given in one.overrides.items()}
            | {HEADLINE: f"{measures[HEADLINE]:.4f}" if measures else ""}
            | {"95 % interval": f"{between[0]:.4f} to {between[1]:.4f}" if between else ""}
            | {measure: f"{measures[measure]:.4f}" if measures else "" for measure in MEASURES[1:]}
            | {"stages run": ", ".join(done.stage for done in one.results if done.outcome == "ran")}
            | {"dvc exp apply": one.experiment or "", "failed": one.failed or ""}
        )
    return rows


def _page(cells: Sequence[Cell], name: str, headline: str, picture: bytes) -> str:
    kept = [f"- `dvc exp apply {one.experiment}`" for one in cells if one.experiment]
    encoded = base64.b64encode(picture).decode()
    return "\n".join(
        [
            f"# {name}", "", headline, "", f"![{HEADLINE} of every cell](data:image/png;base64,{encoded})", "",
            "Each cell is a DVC experiment (`dvc exp show` lists them):", "", *kept,
        ]
    )  # fmt: skip


def _log_to_mlflow(
    cells: Sequence[Cell], name: str, page: str, rows: list[dict[str, Any]], picture: bytes
) -> str | None:
    """Log a parent run and a child a cell; the parent's address. None, and a line in the log, where MLflow is down."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param

        client = MlflowClient(os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_URI))
        known = client.get_experiment_by_name(EXPERIMENT)
        experiment = known.experiment_id if known else client.create_experiment(EXPERIMENT)
        parent = client.create_run(experiment, run_name=name).info.run_id
        with TemporaryDirectory(prefix="reeltrace-") as folder:
            (Path(folder) / "comparison.png").write_bytes(picture)
            (Path(folder) / "comparison.csv").write_text(as_csv(rows), encoding="utf-8")
            client.log_artifacts(parent, folder)
        for one in cells:
            tags = {"mlflow.parentRunId": parent, "dvc.experiment": one.experiment or ""}
            child = client.create_run(experiment, run_name=one.label, tags=tags).info.run_id
            now = int(time.time() * 1000)
            metrics = [
                Metric(metric_name(f"{system}/{measure}"), number, now, 0)
                for system, values in (one.scores.systems.items() if one.scores else ())
                for measure, number in values.items()
            ]
            params = [Param(key, str(given)) for key, given in flat(one.overrides).items()]
            client.log_batch(child, metrics=metrics, params=params)
            client.set_terminated(child, "FAILED" if one.failed else "FINISHED")
        client.set_terminated(parent, "FAILED" if any(one.failed for one in cells) else "FINISHED")
    except Exception as error:  # MLflow must not cost the grid its results
        get_run_logger().warning("MLflow is out of reach, the grid is not in it: %s", format_error(error))
        return None
    return f"{page.rstrip('/')}/#/experiments/{experiment}/runs/{parent}"


def as_csv(rows: Sequence[dict[str, Any]]) -> str:
    """Rows with their names in the first line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def plot(cells: Sequence[Cell]) -> bytes:
    """The headline measure of every cell as PNG: a heat map where two params vary, else a bar a cell."""
    from matplotlib.figure import Figure

    keys = list(cells[0].overrides)
    figure = Figure(layout="constrained", dpi=110)
    axes = figure.add_subplot()
    if len(keys) == 2:
        across, down = (
            list(dict.fromkeys(value_text(one.overrides[key]) for one in cells)) for key in (keys[1], keys[0])
        )
        figure.set_size_inches(2.6 + SQUARE_INCHES * len(across), 1.6 + 0.6 * SQUARE_INCHES * len(down))
        numbers = [[float("nan")] * len(across) for _ in down]
        for one in cells:
            row, column = (
                down.index(value_text(one.overrides[keys[0]])),
                across.index(value_text(one.overrides[keys[1]])),
            )
            found = headline_value(one)
            numbers[row][column] = float("nan") if found is None else found
            text, colour = (_no_score_text(one), "black") if found is None else (f"{found:.3f}", "white")
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        axes.imshow(numbers, cmap="viridis", aspect="auto", vmin=0, vmax=max(_highest(cells), 0.01) * 1.35)
        axes.set_xticks(range(len(across)), across, rotation=35, ha="right")
        axes.set_yticks(range(len(down)), down)
        axes.set_xlabel(keys[1])
        axes.set_ylabel(keys[0])
        axes.set_title(HEADLINE)
    else:
        figure.set_size_inches(6.5, LEAST_INCHES + BAR_INCHES * len(cells))
        for row, one in enumerate(cells):
            found, between = headline_value(one), interval(one)
            if found is None:
                axes.text(0, row, f" {_no_score_text(one)}", va="center")
                continue
            axes.barh(row, found, color="#4477aa")
            if between:
                axes.plot(between, [row, row], color="black", linewidth=1.2)
            axes.text(max(found, between[1] if between else 0), row, f" {found:.3f}", va="center")
        axes.set_yticks(range(len(cells)), [one.label for one in cells])
        axes.invert_yaxis()
        axes.set_xlim(0, max(_highest(cells), 0.01) * 1.2)
        axes.set_xlabel(f"{HEADLINE} with its 95 % interval")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _no_score_text(cell: Cell) -> str:
    """What stands where a cell's number would."""
    return "failed" if cell.failed else "no score"


def _highest(cells: Sequence[Cell]) -> float:
    return max((between[1] for one in cells if (between := interval(one))), default=0.0)
