"""Flows as programs of their own on a real Prefect server, with the real DVC: cancelled, killed, racing, served."""

from __future__ import annotations

import base64
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows.experiments import experiments
from flows.pipeline import pipeline
from tasks.shared.runtime.locks import WORKSPACE, waiting_for
from tests.flows.prefect_server import Server
from tests.flows.runs import Runs, alive, run_here, until
from tests.flows.serving import Serving
from tests.flows.small import Small
from tests.project import ROOT

SLEEPS = "import subprocess; child = subprocess.Popen(['sleep', '300']); " + (
    "open(os.environ['RAN'] + '/child', 'w').write(str(child.pid)); time.sleep(300)"
)
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " + SLEEPS
PNG = b"\x89PNG\r\n\x1a\n"


def family(small: Small, stage: str) -> list[int]:
    """The processes of a stage that sleeps: its program and that one's child."""
    until(lambda: small.processes(stage) and (small.ran / "child").exists() and (small.ran / "child").read_text())
    return [small.processes(stage)[-1], int((small.ran / "child").read_text())]


def test_cancelled_on_the_page_nothing_is_left_and_the_next_run_goes_on(runs: Runs, here: Small) -> None:
    here.change({"mine.keep": 5})
    started = runs.start("flows.pipeline", root=here.root, more={"BEFORE_train": SLEEPS})
    pids = family(here, "train")
    runs.client().set_flow_run_state(started.run_id, Cancelling())
    assert started.wait() == 1, started.printed
    assert not any(alive(pid) for pid in pids)
    run = runs.client().read_flow_run(started.run_id)
    assert run.state and run.state.type == StateType.CANCELLED, started.printed
    assert not (here.root / "results" / "train").exists()
    ran = run_here(pipeline)
    ran.ends_with({"extract": "Unchanged", "mine": "Unchanged", "train": "Completed", "evaluate": "Completed"})
    assert here.executions() == {"extract": 0, "mine": 1, "train": 2, "evaluate": 1}
    assert ran.message == "nDCG@10 0.290 (+0.020); stages: 2 ran, 2 unchanged"


def test_ctrl_c_ends_a_stage_that_does_not_listen(runs: Runs, here: Small) -> None:
    here.change({"train.epochs": 9})
    started = runs.start("flows.pipeline", root=here.root, more={"BEFORE_train": STUBBORN})
    pids = family(here, "train")
    started.process.send_signal(signal.SIGINT)
    assert started.wait() == 1, started.printed
    assert not any(alive(pid) for pid in pids)
    run = runs.client().read_flow_run(started.run_id)
    assert run.state and run.state.type == StateType.CANCELLED, started.printed
    assert "Traceback" not in started.printed


def test_a_flow_that_is_killed_takes_its_stage_with_it_and_frees_the_workspace(runs: Runs, here: Small) -> None:
    here.change({"train.epochs": 9})
    started = runs.start("flows.pipeline", root=here.root, more={"BEFORE_train": SLEEPS})
    pids = family(here, "train")
    started.process.kill()
    until(lambda: not any(alive(pid) for pid in pids))
    with waiting_for(here.root / WORKSPACE, "a test"):  # its supervisor ends a moment after them
        pass
    ran = run_here(pipeline, stages=["train"])
    assert ran.code == 0
    ran.ends_with({"train": "Completed"})


def test_two_pipelines_race_for_a_workspace(runs: Runs, here: Small) -> None:
    here.change({"train.epochs": 9})
    waits = "while not os.path.exists(os.environ['RAN'] + '/second'): time.sleep(0.1)"
    first = runs.start("flows.pipeline", root=here.root, more={"BEFORE_train": waits})
    until(lambda: here.processes("train"))
    second = run_here(pipeline)
    (here.ran / "second").touch()
    name = f"demo@{here.git('rev-parse', 'HEAD')[:8]}+changes"
    assert second.code == 1 and second.states == {}
    assert second.message.startswith(
        f"another pipeline has the workspace {here.root}: pipeline {name} (process {first.process.pid}, since "
    )
    assert first.wait() == 0 and here.executions()["train"] == 1


def test_overrides_run_beside_and_are_kept_as_an_experiment(
    here: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "XDG_CONFIG_HOME"):  # nobody has told git who commits
        monkeypatch.setenv(name, str(tmp_path / "home"))
    before = here.git("status", "--porcelain")
    ran = run_here(pipeline, overrides={"mine.keep": 7})
    assert ran.code == 0, ran.message
    assert here.executions() == {"extract": 0, "mine": 1, "train": 1, "evaluate": 1}
    ran.ends_with({"extract": "Restored", "mine": "Completed", "train": "Completed", "evaluate": "Completed"})
    name = f"demo-{here.git('rev-parse', 'HEAD')[:8]}-mine.keep-7"
    assert ran.run.name == name.replace("demo-", "demo@").replace("-mine.keep-7", " mine.keep=7")
    assert f"dvc exp apply {name}" in str(ran.artifacts["summary"].data)
    assert here.git("status", "--porcelain") == before
    assert here.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert list((here.root / ".reeltrace" / "cells").iterdir()) == []


def dvc(small: Small, *arguments: str) -> str:
    command = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(command, cwd=small.root, capture_output=True, text=True, check=True).stdout


def test_the_cells_of_a_grid_compute_what_they_share_once(here: Small) -> None:
    here.change({"extract.frames": 30})  # so that extract is not there yet either
    commit = here.commit()
    ran = run_here(experiments, grid={"mine.keep": [5, 6]}, parallel=2)
    assert ran.code == 0, ran.message
    assert here.executions() == {"extract": 1, "mine": 2, "train": 2, "evaluate": 2}
    assert ran.run.name == f"demo@{commit[:8]} mine.keep x 2"
    until(lambda: ran.states.get("keep=6: extract") == "Restored")

    names = [f"demo-{commit[:8]}-mine.keep-{keep}" for keep in (5, 6)]
    rows = json.loads(ran.artifacts["comparison"].data)  # type: ignore[arg-type]
    assert [(row["mine.keep"], row["nDCG@10"]) for row in rows] == [("5", "0.3500"), ("6", "0.3600")]
    assert [row["dvc exp apply"] for row in rows] == names
    page = str(ran.artifacts["comparison-plot"].data)
    assert ran.message == "best: keep=6 with nDCG@10 0.360" and ran.message in page
    picture = re.search(r"data:image/png;base64,([A-Za-z0-9+/=]+)\)", page)
    assert picture and base64.b64decode(picture[1]).startswith(PNG)

    shown = json.loads(dvc(here, "exp", "show", "--json"))
    (baseline,) = [one for one in shown if one["rev"] == commit]
    found = {one["name"]: one["revs"][0]["data"] for one in baseline["experiments"]}
    assert sorted(found) == sorted(names)
    assert found[names[0]]["params"]["params.yaml"]["data"]["mine"]["keep"] == 5
    dvc(here, "exp", "apply", names[1])
    assert yaml.safe_load((here.root / "params.yaml").read_text())["mine"]["keep"] == 6
    assert "# dense, bm25, random" in (here.root / "params.yaml").read_text(), "comments stay"
    assert json.loads((here.root / "results/evaluate/metrics.json").read_text())["systems"]["tuned"]["nDCG@10"] == 0.36
    assert json.loads(dvc(here, "status", "--json")) == {}

    with sqlite3.connect(here.root / "mlflow.db") as database:
        parents = database.execute(
            "SELECT value, count(*) FROM tags WHERE key = 'mlflow.parentRunId' GROUP BY value"
        ).fetchall()
        assert [count for _, count in parents] == [2] and parents[0][0] in str(ran.artifacts["mlflow-grid"].data)
        children = "SELECT run_uuid FROM tags WHERE key = 'mlflow.parentRunId'"
        values = database.execute(
            f"SELECT value FROM metrics WHERE key = 'tuned/nDCG_at_10' AND run_uuid IN ({children})"
        ).fetchall()
        assert sorted(value for (value,) in values) == [0.35, 0.36]
    assert here.git("worktree", "list", "--porcelain").count("worktree ") == 1


@pytest.fixture
def served(small: Small, prefect_server: Server) -> Iterator[Serving]:
    """Serves a project whose stage `train` is stale and sleeps."""
    shutil.copytree(ROOT / "flows", small.root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", small.root)
    small.change({"train.epochs": 9})
    serving = Serving(small.root, prefect_server)
    serving.start({"BEFORE_train": SLEEPS, "PYTHONSAFEPATH": "1"})
    yield serving
    if serving.process is not None:
        serving.stop(signal.SIGKILL, group=True)


def test_a_served_pipeline_is_cancelled_by_a_click(served: Serving, small: Small, runs: Runs) -> None:
    client: Any = runs.client()
    run = client.create_flow_run_from_deployment(client.read_deployment_by_name("pipeline/nightly").id)
    pids = family(small, "train")
    client.set_flow_run_state(run.id, Cancelling())
    until(lambda: not any(alive(pid) for pid in pids))
    until(lambda: client.read_flow_run(run.id).state.type == StateType.CANCELLED)
    assert client.read_flow_run(run.id).name.startswith("demo@")
    assert not (small.root / "results" / "train").exists()
