"""A workspace with small flows in the places of the real ones, and the program that serves it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.execution.params_file import change_params
from tests.flows.prefect_server import Server, wait_until

ROOT = Path(__file__).resolve().parents[2]
SMALL = '''
import json, os, time
from pathlib import Path
from typing import Any
from prefect import flow
from prefect.runtime import flow_run

@flow(name="{name}")
def {name}({given}) -> None:
    """Runs until there is no file `hold`."""
    note("began")
    while Path("hold").exists():
        time.sleep(0.1)
    note("ended")

def note(what: str) -> None:
    told = {{"flow": "{name}", "run": flow_run.id, "what": what, "pid": os.getpid(), "place": os.getcwd()}}
    with Path("runs.jsonl").open("a") as log:
        log.write(json.dumps(told) + "\\n")
'''
FLOWS = {
    "pipeline": "overrides: dict[str, Any] | None = None, stages: list[str] | None = None, force: bool = False, "
    "rev: str | None = None",
    "verify": "",
    "experiments": "grid: dict[str, list[Any]], parallel: int | None = None, rev: str | None = None",
}


def small_workspace(root: Path) -> Path:
    """prefect.yaml, params.yaml and the code that serves, with flows that do nothing but wait."""
    shutil.copytree(ROOT / "flows", root / "flows", ignore=shutil.ignore_patterns("__pycache__"))
    for name, given in FLOWS.items():
        (root / "flows" / f"{name}.py").write_text(SMALL.format(name=name, given=given))
    for name in ("params.yaml", "prefect.yaml"):
        shutil.copy(ROOT / name, root / name)
    return root


@dataclass
class Serving:
    """`python -m flows.serve` in a workspace, in a process group of its own as a terminal gives it one."""

    root: Path
    server: Server
    process: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        """Of programs in the workspace."""
        return self.server.environment | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

    @property
    def output(self) -> str:
        """What it has printed since it was started last."""
        return (self.root / "serve.log").read_text()

    def start(self, settings: Mapping[str, str] | None = None) -> None:
        """Start it and wait until every deployment is registered."""
        environment = self.environment | dict(settings or {})
        with (self.root / "serve.log").open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "flows.serve"],
                cwd=self.root, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        process = self.process
        wait_until(lambda: "experiments/negatives" in self.output or process.poll() is not None, "serving")
        assert process.poll() is None, self.output

    def stop(self, number: signal.Signals, group: bool = False) -> int:
        """Send a signal to it, or to all of its process group as a terminal does; its exit code."""
        assert self.process is not None
        os.killpg(self.process.pid, number) if group else self.process.send_signal(number)
        code, self.process = self.process.wait(), None
        return code

    def set_params(self, changes: dict[str, Any]) -> None:
        """Change params.yaml by dotted keys."""
        change_params(changes, self.root / "params.yaml")

    def runs(self) -> list[dict[str, Any]]:
        """What the flows have noted, in order."""
        path = self.root / "runs.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def alive(self) -> set[int]:
        """Processes of runs that have not gone."""
        return {told["pid"] for told in self.runs() if _of_run(told["pid"], told["run"])}

    def hold(self) -> None:
        """Let flows that run from now on wait."""
        (self.root / "hold").touch()

    def release(self) -> None:
        """Let them end."""
        (self.root / "hold").unlink()


def _of_run(pid: int, run: str) -> bool:
    try:
        return run.encode() in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
