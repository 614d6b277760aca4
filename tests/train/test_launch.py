"""`python -m tasks.train` with several processes: what it leaves, when it is killed, and when a rank fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.publish import read_manifest
from tasks.shared.execution.items import store_folder
from tests.conftest import REPOSITORY, Workspace
from tests.train.test_train_run import adapter, publish

WAIT = 240  # seconds, of a machine that does much else
FAULTY = """
import os
if os.environ.get("RANK") == "1":
    from contextlib import contextmanager
    from tasks.shared.runtime.errors import TransientError
    from tasks.train.ranks import Ranks

    joined = Ranks.group

    @contextmanager
    def group(self, device):
        with joined(self, device):
            {fault}
            yield

    Ranks.group = group
"""


@pytest.fixture
def several(workspace: Workspace) -> Workspace:
    """A published archive, and params for two ranks and many small steps."""
    publish()
    settings = {"epochs": 12, "batch_size": 4, "mini_batch_size": 2, "negatives": 1, "save_steps": 2}
    settings |= {"lora_dropout": 0.2, "processes": 2, "learning_rate": 0.0001}
    workspace.set_params({f"train.{key}": value for key, value in settings.items()} | {"run.threads": 1})
    return workspace


@pytest.fixture
def started(several: Workspace) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the stage in a session of its own, as a terminal would."""
    programs = []

    def start(**environment: str) -> subprocess.Popen[str]:
        programs.append(
            subprocess.Popen(
                [sys.executable, "-m", "tasks.train"],
                cwd=several.root,
                env=os.environ | environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return programs[-1]

    yield start
    for program in programs:
        for pid in {program.pid, *of(several)}:
            if Path(f"/proc/{pid}").exists():
                os.kill(pid, signal.SIGKILL)
        program.communicate()


def of(workspace: Workspace) -> list[int]:
    """Processes that work in a workspace, whoever their parents are; the dead that nobody has buried apart."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            works = (folder / "cwd").readlink() == workspace.root and int(folder.name) != os.getpid()
            state = (folder / "stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if works and state != "Z":
            found.append(int(folder.name))
    return found


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def whole_checkpoints() -> list[Path]:
    return list((store_folder() / "training").glob("*/checkpoint-*/whole"))


def test_killed_it_leaves_no_process_and_goes_on_to_the_same_bytes(
    several: Workspace, started: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = several.program("tasks.train")
    assert undisturbed.returncode == 0, undisturbed.stderr
    assert "6 queries" in undisturbed.stdout and undisturbed.stdout.count("train:") == 2, "one rank reports"
    manifest, expected, curve = read_manifest("train"), adapter(), read_losses()
    assert manifest["counts"]["steps"] == len(curve) > 20

    monkeypatch.setenv("REELTRACE_STORE", str(several.root / "another"))
    program = started()
    until(whole_checkpoints)
    assert len(of(several)) == 3
    os.kill(program.pid, signal.SIGKILL)
    until(lambda: not of(several))
    assert len(whole_checkpoints()) >= 1, "it was not finished"
    again = several.program("tasks.train")
    assert again.returncode == 0, again.stderr
    assert adapter() == expected
    assert read_losses() == curve
    assert not list((store_folder() / "training").glob("*"))


def test_ctrl_c_is_one_line_and_leaves_no_process(
    several: Workspace, started: Callable[..., subprocess.Popen[str]]
) -> None:
    program = started()
    until(whole_checkpoints)
    os.killpg(program.pid, signal.SIGINT)
    _, said = program.communicate(timeout=WAIT)
    assert program.returncode == 130
    assert "interrupted; finished items are kept" in said.splitlines()[-1]
    assert "Traceback" not in said
    assert not of(several)


@pytest.mark.parametrize(
    ("fault", "code", "expected"),
    [
        ("raise TransientError('the store is away; try again later')", 75, "train: rank 1: the store is away; try"),
        ("os.kill(os.getpid(), 9)", 137, "train: rank 1 was ended by SIGKILL; if memory ran out, lower"),
        ("raise ZeroDivisionError('a fault of ours')", 1, "ZeroDivisionError: a fault of ours"),
    ],
)
def test_what_ended_another_rank_is_said_once(
    several: Workspace, tmp_path: Path, fault: str, code: int, expected: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULTY.format(fault=fault))
    done = subprocess.run(
        [sys.executable, "-m", "tasks.train"], cwd=several.root, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}{os.pathsep}{REPOSITORY}"}, timeout=WAIT,
    )  # fmt: skip
    assert done.returncode == code
    assert expected in done.stderr.splitlines()[-1]
    assert ("Traceback" in done.stderr) == (code == 1)
    assert "rank0" not in done.stderr
    assert not of(several)
    assert not Path("results/train").exists()


def test_nothing_to_learn_ends_all_ranks(several: Workspace) -> None:
    publish(judged=False)
    done = several.program("tasks.train")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no training query with a judged positive") == 1


def test_wrong_params_are_one_line_and_start_nothing(several: Workspace) -> None:
    several.set_params({"train.processes": 5})
    done = several.program("tasks.train")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "train.processes = 5: with train.batch_size = 4 there are ranks without a query; lower it" in line
