"""The verification as a flow: its verdict is the run's state, its findings are artifacts, its program ends with it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, LogFilter
from prefect.states import State

from flows import verify as module
from flows.verify import verify
from tasks.shared.runtime.locks import WORKSPACE, take
from tests.flows.prefect_server import Server, wait_until
from tests.project import ROOT, Project


@pytest.fixture
def here(finished: Project, prefect_server: Server, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A finished project with the audit of this checkout: its own may be of an earlier build."""
    shutil.rmtree(finished.root / "tasks" / "audit")
    shutil.copytree(ROOT / "tasks" / "audit", finished.root / "tasks" / "audit")
    monkeypatch.chdir(finished.root)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("REELTRACE_STORE", raising=False)
    return finished


def artifacts(state: State[Any]) -> dict[str, Any]:
    """What a run has published, by key."""
    run = {"flow_run_id": {"any_": [state.state_details.flow_run_id]}}
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter.model_validate(run))
    return {str(one.key): one.data for one in found}


def logged(state: State[Any]) -> list[str]:
    run = {"flow_run_id": {"any_": [state.state_details.flow_run_id]}}
    with get_client(sync_client=True) as client:
        return [one.message for one in client.read_logs(LogFilter.model_validate(run))]


def test_an_untouched_project(here: Project) -> None:
    state = verify(return_state=True)
    assert state.is_completed() and state.message == "intact: all that was checked is as recorded"
    assert artifacts(state) == {"verify": f"**{state.message}**"}
    videos = here.manifest("corpus")["counts"]["videos"]
    wait_until(lambda: f"checked: {videos} source videos" in logged(state), "the log")


def test_what_was_tampered_with_is_in_the_state_and_the_artifacts(here: Project) -> None:
    (here.root / "results/mine/negatives.jsonl").write_text("{}\n", encoding="utf-8")
    (here.root / "results/train/[bold]extra\x1b[31m").write_text("x", encoding="utf-8")
    expected = json.loads(here.audit("verify", "--json").stdout)["findings"]
    state = verify(return_state=True)
    assert state.is_failed()
    first = f"{expected[0]['kind']}: {expected[0]['where']}"
    assert state.message == f"{len(expected)} findings, the first: {first}" and len(expected) >= 2
    published = artifacts(state)
    assert published["verify"].startswith("**not intact: ")
    rows = json.loads(published["verify-findings"])
    assert [row["kind"] for row in rows] == [one["kind"] for one in expected]
    shown = {row["what"]: row for row in rows}
    assert "results/train/[bold]extra\\x1b[31m" in shown
    record, claim = next(iter(expected[0]["claims"].items()))
    assert f"{claim} in {record}" in rows[0]["recorded"]
    wait_until(lambda: any("kind altered: what results/mine/negatives.jsonl" in one for one in logged(state)), "a log")


def test_nothing_to_verify(tmp_path: Path, prefect_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "tasks").symlink_to(ROOT / "tasks")
    state = verify(return_state=True)
    assert state.is_failed() and state.message is not None and state.message.startswith("nothing was verified: audit: ")


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """A workspace in which the verification never ends."""
    (tmp_path / "tasks").mkdir()
    program = "import os, time, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(600)\n"
    (tmp_path / "tasks" / "cli.py").write_text(program)
    return tmp_path


def test_its_program_does_not_outlive_it(endless: Path, prefect_server: Server) -> None:
    flow = subprocess.Popen(
        [sys.executable, "-P", "-c", "from flows.verify import verify; verify()"],
        cwd=endless, env=prefect_server.environment | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    pid = endless / "pid"
    wait_until(lambda: pid.exists() and pid.read_text(), "the program")
    running = Path("/proc") / pid.read_text() / "cmdline"
    assert b"tasks.cli" in running.read_bytes()
    flow.kill()
    flow.wait()
    wait_until(lambda: not running.exists() or b"tasks.cli" not in running.read_bytes(), "its end")


def test_it_waits_for_a_pipeline(tmp_path: Path, prefect_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "cli.py").write_text("import pathlib\npathlib.Path('ran').touch()\n")
    lock = take(tmp_path / WORKSPACE, "pipeline demo")
    assert lock is not None
    tries: list[bool] = []

    def counted(path: Path, what: str) -> int | None:
        if len(tries) == 3:
            os.close(lock)
        tries.append((tmp_path / "ran").exists())
        return take(path, what)

    monkeypatch.setattr(module, "take", counted)
    monkeypatch.setattr(module, "TRY_SECONDS", 0.01)
    state = verify(return_state=True)
    assert tries == [False] * 4 and (tmp_path / "ran").exists()
    assert state.message == "nothing was verified: exit code 0"
    wait_until(lambda: any(one.startswith("waiting for pipeline demo (process") for one in logged(state)), "a log")
