"""What the pipeline costs through Prefect when there is nothing to do, beside bare `dvc repro`, a stage.

Run it where the pipeline has been run (`make demo`): `python -m benchmarks.noop_flow [times]`. It starts a Prefect
server of its own, with its database in a temporary folder; both are measured in turns in one run, as whole programs.
"""

from __future__ import annotations

import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from benchmarks.noop_repro import NOTHING_TO_DO, repro
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import read_stages

FLOW, BARE = "through Prefect", "bare dvc repro"


@contextmanager
def server(home: Path) -> Iterator[dict[str, str]]:
    """A Prefect server; yields the environment to reach it with."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    api = f"http://127.0.0.1:{port}/api"
    environment = os.environ | {"PREFECT_HOME": str(home), "PREFECT_API_URL": api}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        while process.poll() is None:
            try:
                with urlopen(f"{api}/health", timeout=5):  # noqa: S310 an address of this machine
                    break
            except (URLError, OSError):
                time.sleep(0.5)
        yield environment
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def flow(environment: dict[str, str]) -> float:
    """Seconds that a no-op run of the flow takes, with the start of its program."""
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "flows.pipeline"], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode or "unchanged')" not in done.stdout + done.stderr:
        sys.exit(f"noop_flow: the flow did something: {(done.stdout + done.stderr)[-1500:]}")
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print a table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    stages = len(read_stages(load_params()))
    if NOTHING_TO_DO not in repro(Path.cwd(), "--dry")[1]:
        sys.exit("noop_flow: the pipeline is not up to date here; run `make demo` first")
    seconds: dict[str, list[float]] = {FLOW: [], BARE: []}
    with tempfile.TemporaryDirectory() as home, server(Path(home)) as environment:
        flow(environment)  # the first registers the flow
        for _ in range(repetitions):
            seconds[FLOW].append(flow(environment))
            seconds[BARE].append(repro(Path.cwd())[0])
    print(f"nothing to do, {stages} stages, {repetitions} times each in turns, seconds")
    print(f"{'':16}{'median':>8}{'least':>8}{'most':>8}")
    for name, values in seconds.items():
        print(f"{name:16}{statistics.median(values):8.2f}{min(values):8.2f}{max(values):8.2f}")
    over = statistics.median(seconds[FLOW]) - statistics.median(seconds[BARE])
    print(f"over bare: {over:.2f} s, {over / stages:.2f} s a stage")


if __name__ == "__main__":
    main()
