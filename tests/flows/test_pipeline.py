"""The pipeline flow on a real Prefect server, with stages that do little: what runs, what fails, what is told."""

from __future__ import annotations

import json
import re
import signal
import time

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from tests.flows.runs import Runs, alive, until
from tests.flows.small import STAGES, Small

SLEEPS = "import subprocess; child = subprocess.Popen(['sleep', '300']); " + (
    "open(os.environ['RAN'] + '/child', 'w').write(str(child.pid)); time.sleep(300)"
)
STUBBORN = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); " + SLEEPS
PIPELINE = "flows.pipeline"


def family(small: Small, stage: str) -> list[int]:
    """The processes of a stage that sleeps: its program and that one's child."""
    until(lambda: small.processes(stage) and (small.ran / "child").exists() and (small.ran / "child").read_text(), 240)
    return [small.processes(stage)[-1], int((small.ran / "child").read_text())]


def test_nothing_to_do_starts_no_stage(runs: Runs, small: Small) -> None:
    ran = runs.run(PIPELINE, root=small.root)
    assert ran.code == 0, ran.printed
    assert list(ran.states.items()) == [(stage, "Unchanged") for stage in STAGES]
    assert small.executions() == dict.fromkeys(STAGES, 0)
    assert ran.run.name == f"demo@{small.git('rev-parse', 'HEAD')[:8]}"
    assert ran.run.state and ran.run.state.message == "nDCG@10 0.270 (as before); stages: 4 unchanged"


def test_what_is_stale_runs_in_the_workspace(runs: Runs, small: Small) -> None:
    small.change({"mine.keep": 5})
    says = {"BEFORE_mine": "print('mine: 9 of 12 queries reused from the store')"}
    ran = runs.run(PIPELINE, root=small.root, more=says)
    assert ran.code == 0, ran.printed
    assert ran.states == {
        "extract": "Unchanged", "mine": "Completed", "train": "Completed", "evaluate": "Completed"
    }  # fmt: skip
    assert small.executions() == {"extract": 0, "mine": 1, "train": 1, "evaluate": 1}
    assert ran.run.name.endswith("+changes")
    rows = json.loads(ran.artifacts["score"].data)  # type: ignore[arg-type]
    assert rows[0] == {
        "system": "tuned", "measure": "nDCG@10", "now": "0.2900", "95 % interval": "0.2800 to 0.3000",
        "last run": "0.2700", "change": "+0.0200",
    }  # fmt: skip
    summary = str(ran.artifacts["summary"].data)
    assert "nDCG@10 0.290 (+0.020); stages: 3 ran, 1 unchanged" in summary
    assert "| extract | unchanged |" in summary and "mine: 1 files" in summary
    assert re.search(r"\| mine \| ran \| \d+ \| 9 of 12 queries \|", summary)
    until(lambda: "mine: 1 files" in ran.logs())
    assert "Use `dvc push`" not in ran.printed


def test_what_follows_is_asked_of_dvc_again(runs: Runs, small: Small) -> None:
    """A stage that runs and makes the same bytes leaves what follows unchanged."""
    path = small.root / "tasks" / "mine" / "__main__.py"
    path.write_text(path.read_text() + "# a remark\n")
    ran = runs.run(PIPELINE, root=small.root)
    assert ran.states == {
        "extract": "Unchanged", "mine": "Completed", "train": "Unchanged", "evaluate": "Unchanged"
    }  # fmt: skip


def test_only_some_stages_and_by_force(runs: Runs, small: Small) -> None:
    small.change({"mine.keep": 5, "evaluate.depth": 500})
    ran = runs.run(PIPELINE, "--stages", "evaluate", "mine", root=small.root)
    assert list(ran.states.items()) == [("mine", "Completed"), ("evaluate", "Completed")]
    ran = runs.run(PIPELINE, "--stages", "extract", "--force", root=small.root)
    assert ran.states == {"extract": "Completed"}
    assert small.executions() == {"extract": 1, "mine": 1, "train": 0, "evaluate": 1}
    ran = runs.run(PIPELINE, "--stages", "minne", root=small.root)
    assert ran.code == 1
    assert ran.run.state and ran.run.state.message == "no stage minne; did you mean mine?"


@pytest.mark.parametrize(
    ("trouble", "attempts", "state"),
    [
        ("sys.exit(75) if FIRST else 0", 2, "Completed"),
        ("os.kill(os.getpid(), 9) if FIRST else 0", 2, "Completed"),
        ("print('train: train.epochs is wrong; mend it', file=sys.stderr); sys.exit(2)", 1, "Wrong input"),
        ("1 / 0", 3, "Failed"),
    ],
)
def test_what_can_pass_is_tried_again(runs: Runs, small: Small, trouble: str, attempts: int, state: str) -> None:
    small.change({"train.epochs": 9})
    before = f"FIRST = len((Path(os.environ['RAN']) / STAGE).read_text().split()) == 1; {trouble}"
    ran = runs.run(PIPELINE, root=small.root, more={"BEFORE_train": before})
    assert small.executions()["train"] == attempts
    assert ran.states["train"] == state
    if state == "Completed":
        assert ran.code == 0 and ran.states["evaluate"] == "Completed"
        return
    assert ran.code == 1 and "evaluate" not in ran.states
    said = (
        "train: train.epochs is wrong; mend it"
        if state == "Wrong input"
        else "train: ZeroDivisionError: division by zero"
    )
    assert ran.run.state and ran.run.state.message == said
    assert "flows/stage.py" not in ran.printed, "a stack trace of ours"
    assert str(ran.artifacts["summary"].data).splitlines()[2].replace("\\", "") == said


def test_a_time_limit(runs: Runs, small: Small) -> None:
    small.change({"train.epochs": 9, "flows.time_limits": {"train": 0.25}})
    ran = runs.run(PIPELINE, root=small.root, more={"BEFORE_train": SLEEPS})
    assert ran.states["train"] == "Timed out" and small.executions()["train"] == 1
    assert ran.run.state and ran.run.state.message
    assert ran.run.state.message.startswith("train: it ran longer than 0.25 minutes; raise flows.time_limits")
    assert not any(alive(pid) for pid in family(small, "train"))


@pytest.mark.parametrize("manner", ["the page", "ctrl-c", "ctrl-c to a stage that will not hear"])
def test_cancelling_leaves_nothing_behind_and_the_next_run_goes_on(runs: Runs, small: Small, manner: str) -> None:
    small.change({"mine.keep": 5})
    more = {"BEFORE_train": STUBBORN if "hear" in manner else SLEEPS}
    started = runs.start(PIPELINE, root=small.root, more=more)
    pids = family(small, "train")
    begin = time.monotonic()
    if manner == "the page":
        runs.client().set_flow_run_state(started.run_id, Cancelling())
    else:
        started.process.send_signal(signal.SIGINT)
    until(lambda: not any(alive(pid) for pid in pids), 60)
    took = time.monotonic() - begin
    assert started.wait() == 1 and took < 10, started.printed
    run = runs.client().read_flow_run(started.run_id)
    assert run.state and run.state.type == StateType.CANCELLED, started.printed
    assert "Traceback" not in started.printed
    assert not (small.root / "results" / "train").exists()
    ran = runs.run(PIPELINE, root=small.root)
    assert ran.states == {
        "extract": "Unchanged", "mine": "Unchanged", "train": "Completed", "evaluate": "Completed"
    }  # fmt: skip


def test_a_flow_that_is_killed_takes_its_stage_with_it(runs: Runs, small: Small) -> None:
    small.change({"train.epochs": 9})
    started = runs.start(PIPELINE, root=small.root, more={"BEFORE_train": SLEEPS})
    pids = family(small, "train")
    started.process.kill()
    until(lambda: not any(alive(pid) for pid in pids), 60)
    ran = runs.run(PIPELINE, root=small.root)
    assert ran.code == 0 and ran.states["train"] == "Completed", ran.printed


def test_two_pipelines_race_for_a_workspace(runs: Runs, small: Small) -> None:
    small.change({"train.epochs": 9})
    waits = "while not os.path.exists(os.environ['RAN'] + '/second'): time.sleep(0.1)"
    first = runs.start(PIPELINE, root=small.root, more={"BEFORE_train": waits})
    until(lambda: small.processes("train"), 240)
    second = runs.run(PIPELINE, root=small.root)
    (small.ran / "second").touch()
    assert second.code == 1
    assert second.run.state and second.run.state.message
    name = f"demo@{small.git('rev-parse', 'HEAD')[:8]}+changes"
    assert second.run.state.message.startswith(
        f"another pipeline has the workspace {small.root}: pipeline {name} (process {first.process.pid}, since "
    )
    assert second.states == {} and first.wait() == 0
    assert small.executions()["train"] == 1


def test_overrides_run_beside_and_are_kept_as_an_experiment(runs: Runs, small: Small) -> None:
    before = small.git("status", "--porcelain")
    ran = runs.run(PIPELINE, "--set", "mine.keep=7", root=small.root)
    assert ran.code == 0, ran.printed
    assert small.executions() == {"extract": 0, "mine": 1, "train": 1, "evaluate": 1}
    assert ran.states["extract"] == "Restored"
    name = f"demo-{small.git('rev-parse', 'HEAD')[:8]}-mine.keep-7"
    assert ran.run.name == name.replace("demo-", "demo@").replace("-mine.keep-7", " mine.keep=7")
    assert f"dvc exp apply {name}" in str(ran.artifacts["summary"].data)
    assert small.git("status", "--porcelain") == before
    assert small.git("worktree", "list", "--porcelain").count("worktree ") == 1
    assert list((small.root / ".reeltrace" / "cells").iterdir()) == []


def test_a_revision_runs_without_the_changes_of_the_workspace(runs: Runs, small: Small) -> None:
    old = small.git("rev-parse", "HEAD")
    small.change({"mine.keep": 9})
    ran = runs.run(PIPELINE, "--set", "mine.keep=7", root=small.root)
    assert ran.code == 1 and ran.run.state
    assert str(ran.run.state.message).startswith(
        "params.yaml differs from the last commit, and overrides run on a commit; commit first"
    )
    ran = runs.run(PIPELINE, "--rev", old, root=small.root)
    assert ran.code == 0 and set(ran.states.values()) == {"Restored"}, ran.printed
    ran = runs.run(PIPELINE, "--rev", old, "--stages", "mine", root=small.root)
    assert ran.run.state and str(ran.run.state.message).startswith("stages run on what lies in the workspace")
    ran = runs.run(PIPELINE, "--rev", "nowhere", root=small.root)
    assert ran.run.state and str(ran.run.state.message).startswith("git knows no revision nowhere")


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ("mine.kep=3", "params.yaml with the overrides: unknown key mine.kep; did you mean keep?"),
        ("mine.keep=many", "params.yaml with the overrides: mine.keep = 'many': input should be a valid integer"),
    ],
)
def test_wrong_overrides_are_one_line_before_anything_runs(runs: Runs, small: Small, overrides: str, line: str) -> None:
    ran = runs.run(PIPELINE, "--set", overrides, root=small.root)
    assert ran.code == 1 and ran.states == {}
    assert ran.run.state and ran.run.state.message == line
    assert "Traceback" not in ran.printed
