"""Flow runs on a real Prefect server: in this process or as programs, and what the server knows of them afterwards."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.client.schemas.objects import Artifact, FlowRun, State, TaskRun
from prefect.settings import PREFECT_API_URL

from tests.flows.prefect_server import PATIENCE, Server
from tests.project import ROOT

RUN = re.compile(r"/runs/flow-run/([0-9a-f-]{36})")


@dataclass
class Started:
    """A flow that runs as a program of its own, and what it has printed so far."""

    process: subprocess.Popen[str]
    lines: list[str] = field(default_factory=list)

    @property
    def printed(self) -> str:
        """All of it."""
        return "".join(self.lines)

    def wait(self, seconds: float = PATIENCE) -> int:
        """Its exit code; the test fails with what it printed where it does not end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pytest.fail(f"it has not ended after {seconds:g} s:\n{self.printed[-3000:]}")
        self.reader.join(10)
        return code

    @property
    def run_id(self) -> UUID:
        """Of its flow run."""
        until(lambda: RUN.search(self.printed) is not None or self.process.poll() is not None)
        found = RUN.search(self.printed)
        assert found, self.printed[-3000:]
        return UUID(found[1])

    def __post_init__(self) -> None:
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@dataclass(frozen=True)
class Runs:
    """Starts flows of this checkout, in whatever folder, that use a server."""

    server: Server

    @property
    def environment(self) -> dict[str, str]:
        """What their programs are given."""
        left_out = ("REELTRACE_STORE", "MLFLOW_TRACKING_URI")
        inherited = {name: value for name, value in self.server.environment.items() if name not in left_out}
        return inherited | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}

    def start(self, module: str, *arguments: str, root: Path, more: Mapping[str, str] | None = None) -> Started:
        """Start a flow's program in a project's folder."""
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments], cwd=root, env=self.environment | dict(more or {}),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        return Started(process)

    def run(self, module: str, *arguments: str, root: Path, more: Mapping[str, str] | None = None) -> Ran:
        """A flow's program, run to its end."""
        started = self.start(module, *arguments, root=root, more=more)
        code = started.wait()
        return Ran(self.client(), started.run_id, code, started.printed)

    def client(self) -> SyncPrefectClient:
        """A client of the server."""
        return SyncPrefectClient(self.server.api)


@dataclass(frozen=True)
class Ran:
    """A flow run that is over."""

    client: SyncPrefectClient
    run_id: UUID
    code: int
    printed: str = ""

    @property
    def run(self) -> FlowRun:
        return self.client.read_flow_run(self.run_id)

    @property
    def message(self) -> str:
        """Of its last state."""
        state = self.run.state
        assert state is not None and state.message is not None
        return state.message

    def ends_with(self, states: Mapping[str, str]) -> None:
        """Wait until the server has these task runs, in this order, in these states; it is told of them by events."""
        end = time.monotonic() + PATIENCE
        while list(self.states.items()) != list(states.items()) and time.monotonic() < end:
            time.sleep(0.1)
        assert list(self.states.items()) == list(states.items())

    @property
    def tasks(self) -> dict[str, TaskRun]:
        """Task runs by name, in the order they began."""
        found = self.client.read_task_runs(flow_run_filter=FlowRunFilter(id={"any_": [self.run_id]}))  # type: ignore[arg-type]
        return {one.name: one for one in sorted(found, key=lambda one: one.start_time or one.created)}  # type: ignore[type-var,return-value]

    @property
    def states(self) -> dict[str, str]:
        """Names of the task runs' states."""
        return {name: one.state.name for name, one in self.tasks.items() if one.state}

    @property
    def artifacts(self) -> dict[str, Artifact]:
        """The flow run's own and its tasks', by key."""
        found = self.client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id={"any_": [self.run_id]}))  # type: ignore[arg-type]
        return {one.key: one for one in found if one.key}

    def logs(self) -> str:
        """What the server has of its log; it is sent a little later than it is printed."""
        found = self.client.read_logs(log_filter=LogFilter(flow_run_id={"any_": [self.run_id]}), limit=200)  # type: ignore[arg-type]
        return "\n".join(one.message for one in found)


def run_here(flow: Flow[..., State[Any]], **parameters: Any) -> Ran:
    """A flow run in this process, to its end."""
    state = flow(**parameters, return_state=True)
    run_id = state.state_details.flow_run_id
    assert run_id is not None
    return Ran(SyncPrefectClient(PREFECT_API_URL.value()), run_id, 0 if state.is_completed() else 1)


def until(holds: Callable[[], Any], seconds: float = PATIENCE) -> None:
    """Wait for something to hold."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it does not come to hold"
        time.sleep(0.1)


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody reaps does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
