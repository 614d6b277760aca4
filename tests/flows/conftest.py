"""A real Prefect server for the tests of flows, and small projects to run them in."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.flows import small as small_project
from tests.flows.runs import Server
from tests.flows.small import Small


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A Prefect server of the test session's own, on a free port, with its database in a temporary folder."""
    home = tmp_path_factory.mktemp("prefect")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = Server(f"http://127.0.0.1:{port}/api", home)
    environment = found.environment | {"PREFECT_SERVER_LOGGING_LEVEL": "WARNING"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        end = time.monotonic() + 120
        while True:
            try:
                with urlopen(f"{found.api}/health", timeout=5):
                    break
            except (URLError, OSError):
                assert process.poll() is None and time.monotonic() < end, (home / "server.log").read_text()[-3000:]
                time.sleep(0.2)
        yield found
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


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
