"""What tests of flows share: a Prefect server, and small projects whose flows run on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.flows import small as small_project
from tests.flows.fake_dvc import FakeDvc
from tests.flows.prefect_server import Server
from tests.flows.runs import Runs
from tests.flows.serving import Serving, small_workspace
from tests.flows.small import Small

SERVER = pytest.StashKey[Server]()


@pytest.fixture(scope="session")
def prefect_database(request: pytest.FixtureRequest) -> Path:
    """Where a migrated, empty Prefect database is kept by pytest between sessions."""
    return request.config.cache.mkdir(f"prefect-{version('prefect')}") / "prefect.db"


@pytest.fixture(scope="session")
def running_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, prefect_database: Path
) -> Iterator[Server]:
    """A Prefect server of this worker, which runs while there are tests of flows."""
    server = Server(tmp_path_factory.mktemp("prefect"), prefect_database)
    request.config.stash[SERVER] = server
    server.start()
    yield server
    if server.process is not None:
        server.stop()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Stop the server where tests of something else follow: one that has nothing to do still works."""
    server = item.config.stash.get(SERVER, None)
    if server and server.process and nextitem and Path(__file__).parent not in nextitem.path.parents:
        server.stop()


@pytest.fixture
def prefect_server(running_server: Server) -> Iterator[Server]:
    """That server without deployments, work pools and runs of other tests; flows of this process go to it."""
    from prefect.client.orchestration import get_client
    from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

    if running_server.process is None:
        running_server.start()
    with temporary_settings({PREFECT_API_URL: running_server.api, PREFECT_HOME: running_server.home}):
        yield running_server
        with get_client(sync_client=True) as client:
            for run in client.read_flow_runs():
                client.delete_flow_run(run.id)
            for deployment in client.read_deployments():
                client.delete_deployment(deployment.id)


@pytest.fixture
def serving(tmp_path: Path, prefect_server: Server) -> Iterator[Serving]:
    """A workspace of small flows that can be served; nothing of it is left running."""
    root = tmp_path / "served"
    root.mkdir()
    one = Serving(small_workspace(root), prefect_server)
    yield one
    (root / "hold").unlink(missing_ok=True)
    if one.process is not None:
        one.stop(signal.SIGKILL)
    for pid in one.alive():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def runs(prefect_server: Server) -> Runs:
    """Starts flows that use the server."""
    return Runs(prefect_server)


@pytest.fixture(scope="session")
def made_small(tmp_path_factory: pytest.TempPathFactory) -> Small:
    """The small project, which every stage has run in."""
    made = small_project.make(tmp_path_factory.mktemp("small"))
    subprocess.run(
        [sys.executable, "-m", "dvc", "repro", "--quiet"], cwd=made.root, check=True, capture_output=True,
        env=os.environ | {"RAN": str(made.ran), "PYTHONPATH": str(made.root)},
    )  # fmt: skip
    made.commit("results")
    return made


@pytest.fixture
def small(made_small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """A small project of the test's own, every stage up to date, no execution counted yet."""
    shutil.copytree(made_small.root, tmp_path / "project", symlinks=True)
    (tmp_path / "ran").mkdir()
    monkeypatch.setenv("RAN", str(tmp_path / "ran"))
    return Small(tmp_path / "project", tmp_path / "ran")


@pytest.fixture
def here(small: Small, prefect_server: Server, mlflow_database: Path, monkeypatch: pytest.MonkeyPatch) -> Small:
    """That project as the working directory, for flows that run in this process."""
    monkeypatch.chdir(small.root)
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    shutil.copy(mlflow_database, small.root / "mlflow.db")
    # absolute: MLflow keeps one store for an address, whatever the working directory is
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{small.root / 'mlflow.db'}")
    return small


@pytest.fixture
def dvc(here: Small, monkeypatch: pytest.MonkeyPatch) -> FakeDvc:
    """Answers in DVC's place in that project."""
    fake = FakeDvc()
    monkeypatch.setattr("flows.stage.repro", fake.repro)
    monkeypatch.setattr("flows.pipeline.stale", fake.is_stale)
    monkeypatch.setattr("flows.pipeline.require", lambda params: None)
    return fake
