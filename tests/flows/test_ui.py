"""Both pages: they start, say where they are, and go with the program that started them, however that ends."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from flows.pages import Page, mlflow_page, prefect_page
from flows.ui import show
from tasks.shared.runtime.errors import UserError
from tests.flows.prefect_server import QUICK, answers, free_port, wait_until
from tests.flows.runs import alive

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Ui:
    """`python -m flows.ui` in a folder, in a process group of its own as a terminal gives it one."""

    root: Path
    prefect: int = field(default_factory=free_port)
    mlflow: int = field(default_factory=free_port)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[str] | None = None

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
        own = {
            "PREFECT_API_URL": f"http://127.0.0.1:{self.prefect}/api",
            "PREFECT_HOME": str(self.root / ".prefect"),
            "PYTHONPATH": f"{ROOT}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "STARTED_BY": self.mark,
        }
        with (self.root / "ui.log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.ui", "--port", str(self.mlflow)],
                cwd=self.root, env=inherited | QUICK | own | dict(settings or {}), text=True,
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def output(self) -> str:
        """What it has printed."""
        return (self.root / "ui.log").read_text()

    def until_shown(self) -> None:
        """Wait until it says that both pages are there."""
        wait_until(lambda: "Ctrl-C" in self.output or self.end() is not None, "the pages")
        assert "Ctrl-C" in self.output, self.output

    def end(self) -> int | None:
        """Its exit code, once it has ended."""
        assert self.process is not None
        return self.process.poll()

    def ended(self) -> int:
        """Its exit code, after waiting for it."""
        wait_until(lambda: self.end() is not None, "its end")
        code = self.end()
        assert code is not None
        return code

    def alive(self) -> list[int]:
        """Its processes, and all that they started."""
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if self.mark.encode() in (place / "environ").read_bytes():
                    found.append(int(place.name))
            except OSError:
                continue
        return found


@pytest.fixture
def ui(tmp_path: Path, prefect_database: Path, mlflow_database: Path) -> Iterator[Ui]:
    """A folder with params.yaml and empty databases; nothing that was started there is left running."""
    root = tmp_path / "ui"
    (root / ".prefect").mkdir(parents=True)
    shutil.copy(ROOT / "params.yaml", root / "params.yaml")
    shutil.copy(mlflow_database, root / "mlflow.db")
    if prefect_database.exists():
        shutil.copy(prefect_database, root / ".prefect" / "prefect.db")
    one = Ui(root)
    yield one
    for pid in one.alive():
        os.kill(pid, signal.SIGKILL)


def test_both_pages_come_and_go(ui: Ui) -> None:
    ui.start()
    ui.until_shown()
    assert answers(f"http://127.0.0.1:{ui.prefect}/api/health") and answers(f"http://127.0.0.1:{ui.prefect}/")
    assert answers(f"http://127.0.0.1:{ui.mlflow}/health") and answers(f"http://127.0.0.1:{ui.mlflow}/")
    assert f"Prefect  http://127.0.0.1:{ui.prefect} " in ui.output
    assert f"MLflow   http://127.0.0.1:{ui.mlflow} " in ui.output
    assert "`make serve`" in ui.output
    assert ui.process is not None and len(ui.alive()) >= 3
    ui.process.send_signal(signal.SIGTERM)
    assert ui.ended() == 0
    assert ui.alive() == []
    assert "Traceback" not in ui.output
    prefect_page(f"http://127.0.0.1:{ui.prefect}/api").require_port()  # it can be started again at once


def test_nothing_outlives_it_when_it_is_killed_while_it_starts(ui: Ui) -> None:
    ui.start()
    wait_until(lambda: sum(_is(pid, b"server\0") for pid in ui.alive()) >= 4, "both programs and their supervisors")
    assert ui.process is not None
    ui.process.kill()
    ui.process.wait()
    wait_until(lambda: ui.alive() == [], "the end of all")


class Shown:
    """`show` in a thread, over pages whose programs do little."""

    def __init__(self, pages: list[Page]) -> None:
        self.stop = threading.Event()
        self.codes: list[int] = []
        self.thread = threading.Thread(target=lambda: self.codes.append(show(pages, self.stop)))
        self.thread.start()

    def ended(self) -> int:
        """Its exit code, after waiting for it."""
        self.thread.join()
        return self.codes[0]


@pytest.fixture
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Page]:
    """Two pages, each a small web server that notes its process."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def page(name: str) -> Page:
        port = free_port()
        program = (
            f"import os, http.server as h; open('{name}.pid', 'w').write(str(os.getpid())); print('{name} starts');"
            f"h.test(h.SimpleHTTPRequestHandler, port={port}, bind='127.0.0.1')"
        )
        return Page(name, "nothing", f"http://127.0.0.1:{port}", "PORT", "/", [sys.executable, "-u", "-c", program])

    return [page("one"), page("two")]


def pid_of(page: Page) -> int:
    wait_until(lambda: Path(f"{page.name}.pid").exists() and Path(f"{page.name}.pid").read_text(), page.name)
    return int(Path(f"{page.name}.pid").read_text())


def test_a_page_that_ends_is_told_and_the_other_goes_too(pages: list[Page], capfd: Any) -> None:
    shown = Shown(pages)
    wait_until(lambda: all(page.healthy() for page in pages), "both pages")
    pids = [pid_of(page) for page in pages]
    os.kill(pids[1], signal.SIGKILL)
    assert shown.ended() == 1
    assert "ui: two ended (exit code 137); its last lines:\n  two starts\n" in capfd.readouterr().err
    assert not any(alive(pid) for pid in pids)


def test_it_can_be_stopped_while_it_starts(pages: list[Page], capfd: Any) -> None:
    silent = replace(pages[0], health="/not-there")  # never healthy
    shown = Shown([silent, pages[1]])
    pids = [pid_of(page) for page in pages]
    shown.stop.set()
    assert shown.ended() == 0
    assert not any(alive(pid) for pid in pids) and "ended" not in capfd.readouterr().err


@pytest.mark.parametrize(("page", "setting"), [("Prefect", "PREFECT_PORT"), ("MLflow", "PORT")])
def test_a_port_that_is_taken_is_one_line_before_anything_starts(ui: Ui, page: str, setting: str) -> None:
    with socket.socket() as taken:
        port = ui.prefect if page == "Prefect" else ui.mlflow
        taken.bind(("127.0.0.1", port))
        taken.listen()
        ui.start()
        assert ui.ended() == 2
    assert ui.output == (
        f"ui: port {port}, where {page} belongs, cannot be had (Address already in use); stop what has it, or name "
        f"another: {setting}={port + 1}\n"
    )
    assert not (ui.root / ".prefect" / "ui.lock").exists()


def test_one_set_of_pages_for_a_folder(pages: list[Page], tmp_path: Path) -> None:
    shown = Shown(pages[:1])
    pid_of(pages[0])
    with pytest.raises(UserError, match=rf"{tmp_path} belongs to the pages \(process {os.getpid()},"):
        show(pages[1:], threading.Event())
    shown.stop.set()
    assert shown.ended() == 0


def test_pages_that_are_elsewhere_are_named_and_not_started(ui: Ui) -> None:
    ui.start(
        {
            "PREFECT_API_URL": "https://prefect.example.org/api",
            "MLFLOW_TRACKING_URI": "https://me:secret@mlflow.example.org",
        }
    )
    assert ui.ended() == 0
    assert "Prefect  https://prefect.example.org " in ui.output and "MLflow   https://mlflow.example.org " in ui.output
    assert "secret" not in ui.output and not (ui.root / ".prefect" / "ui.lock").exists()


def test_where_a_page_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:////data/runs.db")
    page = mlflow_page(5003)
    assert (page.url, page.port, page.command[-1]) == ("http://127.0.0.1:5003", 5003, "sqlite:////data/runs.db")
    page = prefect_page("http://localhost:4300/api")
    assert (page.url, page.port) == ("http://localhost:4300", 4300)
    assert page.command[-4:] == ["--host", "127.0.0.1", "--port", "4300"]
    assert page.environment["PREFECT_API_URL"] == "http://localhost:4300/api", "or its page asks another server"


def _is(pid: int, words: bytes) -> bool:
    try:
        return words in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
