"""Deployments for workers elsewhere: what `prefect deploy --all` makes of prefect.yaml, and where runs take place."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType

from flows import serve
from flows.deploy import main
from flows.deployments import environment, read_prefect_file, runner_deployment
from flows.params import load_flow_params
from tests.flows.prefect_server import Server, wait_until
from tests.flows.serving import ROOT, Serving

SAME = ("entrypoint", "parameters", "description", "tags", "paused", "concurrency_limit", "parameter_openapi_schema")


@pytest.fixture
def client(prefect_server: Server) -> Iterator[SyncPrefectClient]:
    with get_client(sync_client=True) as one:
        yield one


@pytest.fixture
def pool(client: SyncPrefectClient) -> Iterator[str]:
    """A work pool for workers that start processes."""
    name = "elsewhere's"
    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    yield name
    client.delete_work_pool(name)


def program(serving: Serving, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=serving.root, env=serving.environment | settings, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def deploy(serving: Serving, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Callable[[str], str]:
    """`python -m flows.deploy POOL` in the workspace, in this process; what it complains of."""
    monkeypatch.chdir(serving.root)
    monkeypatch.setenv("PREFECT_API_URL", serving.server.api)

    def run(pool: str) -> str:
        monkeypatch.setattr(sys, "argv", ["flows.deploy", pool])
        capsys.readouterr()
        try:
            main()
        except SystemExit as ended:
            assert ended.code == 2
        return str(capsys.readouterr().err)

    return run


def told(client: SyncPrefectClient) -> dict[str, Any]:
    """All that a deployment says to who runs it, by name."""
    found: dict[str, Any] = {}
    for one in client.read_deployments():
        plain = one.model_dump(mode="json")
        schedules = {
            each["slug"]: (each["schedule"], each["active"], each["parameters"]) for each in plain["schedules"]
        }
        name = f"{client.read_flow(one.flow_id).name}/{one.name}"
        found[name] = {key: plain[key] for key in SAME} | {"schedules": schedules}
        found[name]["where"] = (plain["work_pool_name"], plain["pull_steps"])
    return found


def test_prefect_reads_its_file_as_we_do(
    serving: Serving, client: SyncPrefectClient, pool: str, deploy: Callable[[str], str]
) -> None:
    stated = read_prefect_file(load_flow_params(serving.root / "params.yaml"), serving.root / "prefect.yaml")
    values = environment(load_flow_params(serving.root / "params.yaml"))
    done = program(serving, "prefect", "--no-prompt", "deploy", "--all", **values, REELTRACE_POOL=pool)
    assert done.returncode == 0, done.stdout + done.stderr
    by_prefect = told(client)
    assert sorted(by_prefect) == sorted(one.full_name for one in stated.deployments)
    assert {one["where"][0] for one in by_prefect.values()} == {pool}
    assert by_prefect["pipeline/nightly"]["schedules"]["nightly"][0]["cron"] == "0 2 * * *"
    for one in client.read_deployments():
        client.delete_deployment(one.id)
    assert deploy(pool) == ""
    assert told(client) == by_prefect
    asyncio.run(serve.register(stated.deployments))
    served = told(client)
    assert {one["where"] for one in map(dict, served.values())} == {(None, None)}
    for one in (*served.values(), *by_prefect.values()):
        del one["where"]
    assert served == by_prefect


def test_every_deployment_fits_its_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for one in read_prefect_file(load_flow_params()).deployments:
        deployment = runner_deployment(one)
        assert f"{deployment.flow_name}/{deployment.name}" == one.full_name
        assert set(one.parameters) <= set(deployment._parameter_openapi_schema.properties)


def test_runs_take_place_where_the_worker_is_and_come_back_with_serve(
    serving: Serving, client: SyncPrefectClient, pool: str, tmp_path: Path, deploy: Callable[[str], str]
) -> None:
    assert deploy(pool) == ""
    nightly = client.read_deployment_by_name("pipeline/nightly")
    client.pause_deployment(nightly.id)
    assert deploy(pool) == ""
    assert client.read_deployment(nightly.id).paused, "it stays paused"
    elsewhere = Serving(tmp_path / "elsewhere", serving.server)
    shutil.copytree(serving.root, elsewhere.root)
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", pool, "--type", "process", "--limit", "1"]
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            command, cwd=elsewhere.root, env=elsewhere.environment | {"REELTRACE_WORKSPACE": str(elsewhere.root)},
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        run = client.create_flow_run_from_deployment(nightly.id)
        wait_until(lambda: client.read_flow_run(run.id).state_type == StateType.COMPLETED, "a run by the worker")
        assert [(one["what"], one["place"]) for one in elsewhere.runs()] == [
            ("began", str(elsewhere.root)),
            ("ended", str(elsewhere.root)),
        ]
        assert serving.runs() == []
        serving.start()
        assert client.read_deployment(nightly.id).paused
        run = client.create_flow_run_from_deployment(nightly.id)
        wait_until(lambda: client.read_flow_run(run.id).state_type == StateType.COMPLETED, "a run here")
        assert [one["place"] for one in serving.runs()] == [str(serving.root)] * 2 and len(elsewhere.runs()) == 2
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()


def test_mistakes_are_one_line(
    serving: Serving, client: SyncPrefectClient, pool: str, deploy: Callable[[str], str]
) -> None:
    assert deploy("no pool") == (
        "deploy: there is no work pool 'no pool'; `make worker POOL='no pool'` in a worker's clone makes it\n"
    )
    assert client.read_deployments() == []
    (serving.root / "flows" / "verify.py").write_text("import no_such_package\n")
    assert deploy(pool) == "deploy: flows/verify.py:verify cannot be loaded: No module named 'no_such_package'\n"
    (serving.root / "prefect.yaml").write_text("deployments: {}\n")
    assert deploy("x").startswith("deploy: prefect.yaml")
    (serving.root / "prefect.yaml").write_text("deployments: [\n")
    assert deploy("x").startswith("deploy: prefect.yaml states no deployments")
    (serving.root / "prefect.yaml").unlink()
    assert deploy("x") == "deploy: prefect.yaml is missing; run from the project's root\n"
