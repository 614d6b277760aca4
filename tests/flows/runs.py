"""Flow runs on a real Prefect server: started as programs, and what the server knows of them afterwards."""

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

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter, LogFilter
from prefect.client.schemas.objects import Artifact, FlowRun, TaskRun

from tests.flows.prefect_server import Server
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

    def wait(self, seconds: float = 240) -> int:
        """Its exit code."""
        code = self.process.wait(seconds)
        self.reader.join(10)
        return code

    def until(self, text: str, seconds: float = 90) -> None:
        """Wait until it has printed something."""
        until(lambda: text in self.printed or self.process.poll() is not None, seconds)
        assert text in self.printed, self.printed[-3000:]

    @property
    def run_id(self) -> UUID:
        """Of its flow run."""
        until(lambda: RUN.search(self.printed) is not None or self.process.poll() is not None, 240)
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
        return Ran(code, started.printed, self.client(), started.run_id)

    def client(self) -> SyncPrefectClient:
        """A client of the server."""
        return SyncPrefectClient(self.server.api)


@dataclass(frozen=True)
class Ran:
    """A flow run that is over."""

    code: int
    printed: str
    client: SyncPrefectClient
    run_id: UUID

    @property
    def run(self) -> FlowRun:
        return self.client.read_flow_run(self.run_id)

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


def until(holds: Callable[[], Any], seconds: float = 120) -> None:
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
