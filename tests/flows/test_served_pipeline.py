"""The real flow as a served deployment: started by a click, cancelled by a click."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from tests.flows.prefect_server import Server
from tests.flows.runs import alive, until
from tests.flows.serving import Serving
from tests.flows.small import Small
from tests.flows.test_pipeline import SLEEPS, family
from tests.project import ROOT


@pytest.fixture
def served(small: Small, prefect_server: Server) -> Iterator[Any]:
    """Serves a project whose stage `train` is stale and sleeps."""
    shutil.copytree(ROOT / "flows", small.root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "prefect.yaml", small.root)
    small.change({"train.epochs": 9})
    serving = Serving(small.root, prefect_server)
    serving.start({"BEFORE_train": SLEEPS, "PYTHONSAFEPATH": "1"})
    yield serving
    if serving.process is not None:
        serving.stop(signal.SIGKILL, group=True)


@pytest.mark.parametrize("manner", ["the page", "the end of serving"])
def test_cancelling_leaves_no_process(served: Serving, small: Small, runs: Any, manner: str) -> None:
    client = runs.client()
    deployment = client.read_deployment_by_name("pipeline/nightly")
    run = client.create_flow_run_from_deployment(deployment.id)
    pids = family(small, "train")
    begin = time.monotonic()
    if manner == "the page":
        client.set_flow_run_state(run.id, Cancelling())
    else:
        served.process.send_signal(signal.SIGINT)  # type: ignore[union-attr]
    until(lambda: not any(alive(pid) for pid in pids), 60)
    print(f"gone after {time.monotonic() - begin:.1f} s")
    until(lambda: client.read_flow_run(run.id).state.type == StateType.CANCELLED, 240)
    assert client.read_flow_run(run.id).name.startswith("demo@")
    assert not (small.root / "results" / "train").exists()
