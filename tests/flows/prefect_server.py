"""A real Prefect server of the tests' own: its folder, its port, how to start and stop it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

PATIENCE = 300.0  # seconds; a loaded machine is slow
QUICK = {  # nothing that tests would have to wait for, nothing that reports home
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1",
    "PREFECT_SERVER_SERVICES_SCHEDULER_MAX_RUNS": "6",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
}


def free_port() -> int:
    """A port that nobody has now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
    """Wait for something to become true; the test fails with `what` where it does not."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:g} s in vain: {what}"
        time.sleep(0.1)


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@dataclass
class Server:
    """A server that tests share; a test that stops it starts it again.

    Attributes:
        home: PREFECT_HOME, where its database is.
        database: an empty one, kept between sessions because its migrations take many seconds.
    """

    home: Path
    database: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def api(self) -> str:
        """PREFECT_API_URL."""
        return f"http://127.0.0.1:{self.port}/api"

    @property
    def environment(self) -> dict[str, str]:
        """Of programs that use it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        return inherited | QUICK | {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home)}

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self.database.exists() and not (self.home / "prefect.db").exists():
            shutil.copy(self.database, self.home / "prefect.db")
        command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1"]
        with (self.home / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                env=self.environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        wait_until(lambda: answers(f"{self.api}/health") or self.process.poll() is not None, "Prefect's server")
        assert self.process.poll() is None, (self.home / "server.log").read_text()[-3000:]
        if not self.database.exists():
            fresh = self.database.with_name(f"{os.getpid()}.db")
            with sqlite3.connect(self.home / "prefect.db") as source, sqlite3.connect(fresh) as target:
                source.backup(target)
            fresh.replace(self.database)

    def stop(self) -> None:
        """Stop it; what it knew is in its database."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        self.process = None
