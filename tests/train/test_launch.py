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
from torch.distributed.elastic.agent.server.api import RunResult, WorkerState
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.publish import read_manifest
from tasks.shared.execution.items import store_folder
from tasks.train.launch import _code
from tests.conftest import REPOSITORY, Workspace
from tests.train.test_train_run import adapter, publish

WAIT = 240  # seconds, of a machine that does much else
FAULTY = """
import os
if os.environ.get("RANK"):
    import time
    from contextlib import contextmanager
    from tasks.shared.runtime.errors import TransientError
    from tasks.train.ranks import Ranks

    group, receive = Ranks.group, Ranks.receive

    @contextmanager
    def in_group(self, device):
        with group(self, device):
            if self.rank == 1:
                {fault}
            yield

    def receiving(self):
        receive(self)
        {fault}

    if "{where}" == "group":
        Ranks.group = in_group
    else:  # before the other rank has imported anything
        Ranks.receive, Ranks.device = receiving, lambda self, take: time.sleep({wait})
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


def test_interrupted_and_killed_it_leaves_no_process_and_goes_on_to_the_same_bytes(
    several: Workspace, started: Callable[..., subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    undisturbed = started()
    said, complained = undisturbed.communicate(timeout=WAIT)
    assert undisturbed.returncode == 0, complained
    assert "6 queries" in said and said.count("train:") == 2, "one rank reports"
    manifest, expected, curve = read_manifest("train"), adapter(), read_losses()
    assert manifest["counts"]["steps"] == len(curve) > 20

    monkeypatch.setenv("REELTRACE_STORE", str(several.root / "another"))
    interrupted = started()
    until(whole_checkpoints)
    before = whole_checkpoints()
    os.killpg(interrupted.pid, signal.SIGINT)
    _, complained = interrupted.communicate(timeout=WAIT)
    assert interrupted.returncode == 130
    assert "interrupted; finished items are kept" in complained.splitlines()[-1]
    assert "Traceback" not in complained
    assert not of(several)

    killed = started()
    until(lambda: set(whole_checkpoints()) - set(before))
    assert len(of(several)) == 3
    os.kill(killed.pid, signal.SIGKILL)
    until(lambda: not of(several))
    assert len(whole_checkpoints()) >= 1, "it was not finished"
    again = started()
    _, complained = again.communicate(timeout=WAIT)
    assert again.returncode == 0, complained
    assert adapter() == expected
    assert read_losses() == curve
    assert not list((store_folder() / "training").glob("*"))


@pytest.mark.parametrize(
    ("where", "fault", "code", "expected"),
    [
        (
            "receive",
            "raise TransientError('the store is away; try later')",
            75,
            "train: rank 1: the store is away; try",
        ),
        ("group", "os.kill(os.getpid(), 9)", 137, "train: rank 1 was ended by SIGKILL; if memory ran out, lower"),
        ("receive", "raise ZeroDivisionError('a fault of ours')", 1, "ZeroDivisionError: a fault of ours"),
    ],
)
def test_what_ended_another_rank_is_said_once(
    several: Workspace, tmp_path: Path, where: str, fault: str, code: int, expected: str
) -> None:
    (tmp_path / "sitecustomize.py").write_text(FAULTY.format(where=where, fault=fault, wait=WAIT))
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


def test_a_rank_that_had_to_be_killed_because_of_another_is_not_the_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rank 0 hears no request to end while it waits for another rank in torch's own code."""
    failures = {rank: ProcessFailure(rank, 1, code, "") for rank, code in enumerate((-signal.SIGKILL, os.EX_TEMPFAIL))}
    errors = tmp_path / "run" / "attempt_0" / "1" / "stderr.log"
    errors.parent.mkdir(parents=True)
    errors.write_text("train: rank 1: the store is away\n")
    assert _code(RunResult(WorkerState.FAILED, {}, failures), tmp_path) == os.EX_TEMPFAIL
    assert capsys.readouterr().err == "train: rank 1: the store is away\n"


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
