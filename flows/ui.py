"""The pages on this machine, until stopped: `python -m flows.ui`.

Prefect's address is PREFECT_API_URL, MLflow's the port given or that of `flows.mlflow_page`. What is on another machine
is named and not started.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from flows.pages import LOCAL, Page, Running, mlflow_page, prefect_page
from flows.params import load_flow_params
from flows.server import api_url
from tasks.shared.execution.mlflow_client import upgrade_database
from tasks.shared.execution.tracking import DEFAULT_URI
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.locks import holder_of, take

CHECK_SECONDS = 0.25  # between two checks of the pages


def main() -> None:
    """Show the pages until stopped, which is exit 0; one line and 2 for a user's mistake, 1 where a page ended."""
    parser = argparse.ArgumentParser(prog="python -m flows.ui", description="Prefect's and MLflow's pages.")
    parser.add_argument("--port", type=int, help="of MLflow's page (default: that of flows.mlflow_page)")
    port = parser.parse_args().port
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    try:
        configured = urlsplit(load_flow_params().mlflow_page)
        port = port or (configured.hostname in LOCAL and configured.port) or 5000
        pages = [prefect_page(api_url()), mlflow_page(port)]
        sys.exit(show(pages, stop))
    except UserError as error:
        print(f"ui: {error}", file=sys.stderr)
        sys.exit(2)


def show(pages: list[Page], stop: threading.Event) -> int:
    """Start what is of this machine, say where everything is, and keep it until `stop` is set.

    Returns 0, or 1 where a program ended by itself. Raises UserError where a port is taken, before anything starts.
    """
    own = [page for page in pages if page.command]
    for page in own:
        page.require_port()
    with ExitStack() as stack:
        if own:
            stack.enter_context(_only_instance())
        if upgraded := upgrade_database(os.environ.get("MLFLOW_TRACKING_URI", DEFAULT_URI)):
            print(f"ui: {upgraded}", file=sys.stderr)
        running: list[Running] = []
        stack.callback(_end, running)
        running.extend(map(Running, own))
        if not _wait_until_healthy(running, stop):
            return _exit_code(running, stop)
        for page in pages:
            print(f"{page.name:8} {page.url:24} {page.shows}")
        print("`make serve` in another terminal runs what is clicked or due.")
        if own:
            print("Ctrl-C ends the pages.", flush=True)
        while own and not stop.wait(CHECK_SECONDS) and not any(one.ended for one in running):
            pass
        return _exit_code(running, stop)


def _end(running: list[Running]) -> None:
    """All begin to end before any is waited for."""
    for one in running:
        one.stop()
    for one in running:
        one.join()


@contextmanager
def _only_instance() -> Iterator[None]:
    """Hold Prefect's folder, whose database is for one server. Raises UserError that names who has it."""
    home = Path(os.environ.get("PREFECT_HOME", "~/.prefect")).expanduser()
    if (lock := take(home / "ui.lock", "the pages")) is None:
        raise UserError(f"{home} belongs to {holder_of(home / 'ui.lock') or 'other pages'}; stop them first")
    try:
        yield
    finally:
        os.close(lock)


def _wait_until_healthy(running: list[Running], stop: threading.Event) -> bool:
    """Wait until all answer; False where one ended, or `stop` was set, before that."""
    from rich.console import Console

    names = " and ".join(one.page.name for one in running)
    waiting = list(running)
    with Console(stderr=True).status(f"starting {names}; this takes half a minute"):
        while waiting:
            if stop.wait(CHECK_SECONDS) or any(one.ended for one in running):
                return False
            waiting = [one for one in waiting if not one.page.healthy()]
    return True


def _exit_code(running: list[Running], stop: threading.Event) -> int:
    """The exit code, after saying what ended by itself and what it said last."""
    ended = [] if stop.is_set() else [one for one in running if one.ended]
    for one in ended:
        said = "".join(f"\n  {line}" for line in one.last_lines)
        print(f"ui: {one.page.name} ended (exit code {one.code}); its last lines:{said}", file=sys.stderr)
    return 1 if ended else 0


if __name__ == "__main__":
    main()
