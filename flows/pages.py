"""The pages that `make ui` shows: where they are, and the programs behind those that are on this machine."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from tasks.shared.execution.programs import run
from tasks.shared.execution.tracking import DEFAULT_URI, format_error
from tasks.shared.runtime.errors import UserError

LOCAL = ("127.0.0.1", "localhost")
LAST_LINES = 15  # lines of a program's output, for when it ends by itself


@dataclass(frozen=True)
class Page:
    """A page, and its program; one on another machine has none.

    Attributes:
        shows: what a person finds there.
        setting: what moves it to another port.
    """

    name: str
    shows: str
    url: str
    setting: str
    health: str = ""
    command: list[str] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        """Of this machine, where it has a program."""
        return urlsplit(self.url).port or 80

    def healthy(self) -> bool:
        """Whether it answers."""
        try:
            with urlopen(self.url + self.health, timeout=2) as answer:  # noqa: S310 - an address of this machine
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def require_port(self) -> None:
        """Raise UserError where its port is taken."""
        with socket.socket() as tried:
            tried.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as the servers do: not stopped by the last one
            try:
                tried.bind((LOCAL[0], self.port))
            except OSError as error:
                raise UserError(
                    f"port {self.port}, where {self.name} belongs, cannot be had ({error.strerror}); stop what has it, "
                    f"or name another: {self.setting}={self.port + 1}"
                ) from None


class _StoppedError(Exception):
    """The pages are to end."""


class Running:
    """A page's program in a thread of this process, which ends it with all that it started."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.last_lines: deque[str] = deque(maxlen=LAST_LINES)
        self.code: int | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        """Begin to end it."""
        self._stop.set()

    def join(self) -> None:
        """Wait until it is gone."""
        self._thread.join()

    @property
    def ended(self) -> bool:
        """Whether it is gone."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            environment = os.environ | self.page.environment
            self.code = run(
                self.page.command,
                root=Path.cwd(),
                environment=environment,
                line=self.last_lines.append,
                tick=self._check,
            )
        except _StoppedError:
            pass

    def _check(self) -> None:
        if self._stop.is_set():
            raise _StoppedError


def prefect_page(api_url: str) -> Page:
    """Prefect's, at the root of its API's address."""
    url = re.sub(r"/api/?$", "", api_url)
    shows = "runs, schedules, and what to run by a click"
    if (address := urlsplit(url)).hostname not in LOCAL:
        return Page("Prefect", shows, url, "PREFECT_API_URL")
    return Page(
        "Prefect",
        shows,
        url,
        "PREFECT_PORT",
        "/api/health",
        [sys.executable, "-m", "prefect", "server", "start", "--host", LOCAL[0], "--port", str(address.port or 80)],
        {"PREFECT_API_URL": api_url, "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
    )


def mlflow_page(port: int) -> Page:
    """MLflow's, over the database that stages write to; where they write to a server, that one's."""
    shows = "params, metrics and files of every execution of a stage"
    store = os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_URI)
    if urlsplit(store).scheme in ("http", "https"):
        return Page("MLflow", shows, format_error(ValueError(store)), "MLFLOW_TRACKING_URI")
    return Page(
        "MLflow",
        shows,
        f"http://{LOCAL[0]}:{port}",
        "PORT",
        "/health",
        [
            *(sys.executable, "-m", "mlflow", "server", "--workers", "1"),
            *("--host", LOCAL[0], "--port", str(port), "--backend-store-uri", store),
        ],
        {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"},
    )
