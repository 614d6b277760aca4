"""A grid of experiments on a real Prefect server, with stages that do little."""

from __future__ import annotations

import base64
import json
import re
import signal
import sqlite3
import subprocess
import sys

import pytest
import yaml

from tests.flows.runs import Runs, alive, until
from tests.flows.small import STAGES, Small

EXPERIMENTS = "flows.experiments"
GRID = {"mine.keep": [5, 6], "evaluate.depth": [300, 400]}
PNG = b"\x89PNG\r\n\x1a\n"


def dvc(small: Small, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments], cwd=small.root, capture_output=True, text=True, check=True
    )
    return done.stdout


def test_four_cells_compute_what_they_share_once(runs: Runs, small: Small) -> None:
    small.change({"extract.frames": 30})  # so that extract is not there yet either
    commit = small.commit()
    ran = runs.run(EXPERIMENTS, json.dumps(GRID), "--parallel", "2", root=small.root)
    assert ran.code == 0, ran.printed
    assert small.executions() == {"extract": 1, "mine": 2, "train": 2, "evaluate": 4}
    assert ran.run.name == f"demo@{commit[:8]} mine.keep x 2 evaluate.depth x 2"
    assert ran.states["keep=6 depth=400: extract to train"] == "Restored"

    names = [f"demo-{commit[:8]}-mine.keep-{keep}-evaluate.depth-{depth}" for keep in (5, 6) for depth in (300, 400)]
    rows = json.loads(ran.artifacts["comparison"].data)  # type: ignore[arg-type]
    assert [(row["mine.keep"], row["evaluate.depth"], row["nDCG@10"]) for row in rows] == [
        ("5", "300", "0.3500"), ("5", "400", "0.3500"), ("6", "300", "0.3600"), ("6", "400", "0.3600")
    ]  # fmt: skip
    assert [row["dvc exp apply"] for row in rows] == names
    page = str(ran.artifacts["comparison-plot"].data)
    assert "best: keep=6 depth=300 with nDCG@10 0.360" in page
    picture = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)\)", page)
    assert picture and base64.b64decode(picture[1]).startswith(PNG)

    shown = json.loads(dvc(small, "exp", "show", "--json"))
    (baseline,) = [one for one in shown if one["rev"] == commit]
    found = {one["name"]: one["revs"][0]["data"] for one in baseline["experiments"]}
    assert sorted(found) == sorted(names)
    params = found[names[1]]["params"]["params.yaml"]["data"]
    assert (params["mine"]["keep"], params["evaluate"]["depth"]) == (5, 400)
    dvc(small, "exp", "apply", names[3])
    assert yaml.safe_load((small.root / "params.yaml").read_text())["mine"]["keep"] == 6
    assert "# dense, bm25, random" in (small.root / "params.yaml").read_text(), "comments stay"
    assert json.loads((small.root / "results/evaluate/metrics.json").read_text())["systems"]["tuned"]["nDCG@10"] == 0.36
    assert json.loads(dvc(small, "status", "--json")) == {}

    with sqlite3.connect(small.root / "mlflow.db") as database:
        parents = database.execute(
            "SELECT value, count(*) FROM tags WHERE key = 'mlflow.parentRunId' GROUP BY value"
        ).fetchall()
        assert [count for _, count in parents] == [4] and parents[0][0] in str(ran.artifacts["mlflow-grid"].data)
        children = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
        values = database.execute(
            f"SELECT value FROM metrics WHERE key = 'tuned/nDCG_at_10' AND run_uuid IN ({children})"
        ).fetchall()
        assert sorted(value for (value,) in values) == [0.35, 0.35, 0.36, 0.36]
    assert small.git("worktree", "list", "--porcelain").count("worktree ") == 1


def test_a_cell_that_fails_costs_only_those_that_need_it(runs: Runs, small: Small) -> None:
    trouble = "sys.exit(2) if params['mine']['keep'] == 5 else 0"
    ran = runs.run(EXPERIMENTS, json.dumps(GRID), root=small.root, more={"BEFORE_train": trouble})
    assert ran.code == 1
    assert small.executions() == {"extract": 0, "mine": 2, "train": 2, "evaluate": 2}
    rows = json.loads(ran.artifacts["comparison"].data)  # type: ignore[arg-type]
    assert [row["nDCG@10"] for row in rows] == ["", "", "0.3000", "0.3000"]
    assert rows[1]["failed"] == "it needs train of keep=5 depth=300, which failed"
    assert ran.run.state and str(ran.run.state.message).startswith("2 of 4 cells failed, the first: train: ")
    assert small.git("worktree", "list", "--porcelain").count("worktree ") == 1


def test_cancelling_ends_every_cell(runs: Runs, small: Small) -> None:
    grid = {"mine.keep": [5, 6]}
    started = runs.start(EXPERIMENTS, json.dumps(grid), root=small.root, more={"BEFORE_mine": "time.sleep(300)"})
    until(lambda: len(small.processes("mine")) == 2, 240)
    started.process.send_signal(signal.SIGINT)
    until(lambda: not any(alive(pid) for pid in small.processes("mine")), 60)
    assert started.wait() == 1, started.printed
    run = runs.client().read_flow_run(started.run_id)
    assert run.state and run.state.name == "Cancelled", started.printed
    assert small.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert small.executions()["train"] == 0


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ("{}", 'grid: no key to vary; name one, as {"train.epochs": [1, 2]}'),
        ('{"mine.keep": []}', "grid: mine.keep needs a list of values, as mine.keep: [1, 2]; it has []"),
        ('{"mine.keep": [1, 1]}', "grid: mine.keep names a value twice; take one of them out"),
        ('{"mine.kep": [1, 2]}', "a cell of the grid: unknown key mine.kep; did you mean keep?"),
        ('{"mine.keep": [1, -2]}', "a cell of the grid: mine.keep = -2: input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_grid_is_one_line_before_anything_runs(runs: Runs, small: Small, grid: str, line: str) -> None:
    ran = runs.run(EXPERIMENTS, grid, root=small.root)
    assert ran.code == 1 and ran.states == {} and small.executions() == dict.fromkeys(STAGES, 0)
    assert ran.run.state and ran.run.state.message == line
    assert "Traceback" not in ran.printed


def test_no_stage_at_a_time_is_one_line(runs: Runs, small: Small) -> None:
    ran = runs.run(EXPERIMENTS, '{"mine.keep": [1, 2]}', "--parallel", "-1", root=small.root)
    assert ran.code == 1 and ran.states == {}
    assert ran.run.state and str(ran.run.state.message).startswith("parallel: -1: at least one stage at a time")
