"""The pipeline flow in this process, with DVC's answers given: what is asked of DVC, what fails, what is told."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows import cancellation
from flows import pipeline as module
from flows.checkout import workspace_checkout
from flows.pipeline import pipeline
from tasks.shared.execution.programs import TimeLimitError
from tasks.shared.execution.repro import StageFailedError
from tests.flows.fake_dvc import FakeDvc, Tick, write_score
from tests.flows.runs import run_here, until
from tests.flows.small import STAGES, Small


def test_nothing_to_do_starts_no_stage(here: Small, dvc: FakeDvc) -> None:
    ran = run_here(pipeline)
    assert (ran.code, dvc.asked) == (0, [])
    ran.ends_with(dict.fromkeys(STAGES, "Unchanged"))
    assert ran.run.name == f"demo@{here.git('rev-parse', 'HEAD')[:8]}"
    assert ran.message == "nDCG@10 0.270 (as before); stages: 4 unchanged"


def test_what_is_stale_and_what_follows_is_asked_of_dvc_and_told(here: Small, dvc: FakeDvc) -> None:
    here.change({"mine.keep": 5})
    dvc.stale = {"mine"}
    dvc.lines = {"mine": ["mine: 9 of 12 queries reused from the store", "a line of something else", "mine: 1 files"]}
    dvc.outcomes = {"train": "restored"}
    dvc.during = {"evaluate": lambda root, tick: write_score(root, 0.29)}
    ran = run_here(pipeline)
    assert (ran.code, dvc.asked) == (0, ["mine", "train", "evaluate"])
    ran.ends_with({"extract": "Unchanged", "mine": "Completed", "train": "Restored", "evaluate": "Completed"})
    assert ran.run.name.endswith("+changes")
    rows = json.loads(ran.artifacts["score"].data)  # type: ignore[arg-type]
    assert rows[0] == {
        "system": "tuned", "measure": "nDCG@10", "now": "0.2900", "95 % interval": "0.2800 to 0.3000",
        "last run": "0.2700", "change": "+0.0200",
    }  # fmt: skip
    summary = str(ran.artifacts["summary"].data)
    assert "nDCG@10 0.290 (+0.020); stages: 2 ran, 1 restored, 1 unchanged" in summary
    assert "| extract | unchanged |" in summary and "mine: 1 files" in summary and "something else" not in summary
    assert re.search(r"\| mine \| ran \| \d+ \| 9 of 12 queries \|", summary)
    until(lambda: "a line of something else" in ran.logs())


def test_what_follows_unchanged_bytes_is_not_asked_again(here: Small, dvc: FakeDvc) -> None:
    dvc.stale, dvc.outcomes = {"mine"}, {"train": "unchanged"}
    ran = run_here(pipeline)
    assert dvc.asked == ["mine", "train", "evaluate"]
    ran.ends_with({"extract": "Unchanged", "mine": "Completed", "train": "Unchanged", "evaluate": "Completed"})
    dvc.asked, dvc.outcomes = [], {"mine": "unchanged"}
    run_here(pipeline)
    assert dvc.asked == ["mine"]


def test_only_some_stages_and_by_force(here: Small, dvc: FakeDvc) -> None:
    dvc.stale = {"mine", "evaluate"}
    ran = run_here(pipeline, stages=["evaluate", "mine"])
    assert (dvc.asked, dvc.forced) == (["mine", "evaluate"], [])
    ran.ends_with({"mine": "Completed", "evaluate": "Completed"})
    ran = run_here(pipeline, stages=["extract"], force=True)
    assert dvc.forced == ["extract"]
    ran.ends_with({"extract": "Completed"})
    ran = run_here(pipeline, stages=["minne"])
    assert (ran.code, ran.message) == (1, "no stage minne; did you mean mine?")
    ran = run_here(pipeline, stages=["mine"], rev="HEAD")
    assert ran.message.startswith("stages run on what lies in the workspace")


@pytest.mark.parametrize(
    ("failures", "retryable", "attempts", "state"),
    [(1, True, 2, "Completed"), (9, True, 3, "Failed"), (9, False, 1, "Wrong input")],
)
def test_what_may_pass_is_tried_again(
    here: Small, dvc: FakeDvc, failures: int, retryable: bool, attempts: int, state: str, capfd: Any
) -> None:
    dvc.stale = {"train"}

    def fail(root: Path, tick: Tick) -> None:
        if dvc.asked.count("train") <= failures:
            raise StageFailedError("train", "ZeroDivisionError: division by zero", retryable=retryable)

    dvc.during = {"train": fail}
    ran = run_here(pipeline)
    assert dvc.asked.count("train") == attempts
    done = {"extract": "Unchanged", "mine": "Unchanged", "train": state}
    ran.ends_with(done | ({"evaluate": "Completed"} if state == "Completed" else {}))
    if state == "Completed":
        assert ran.code == 0
        return
    said = "train: ZeroDivisionError: division by zero"
    assert (ran.code, ran.message) == (1, said)
    assert str(ran.artifacts["summary"].data).splitlines()[2].replace("\\", "") == said
    printed = capfd.readouterr()
    assert "flows/stage.py" not in printed.out + printed.err, "a stack trace of ours"


def test_a_time_limit(here: Small, dvc: FakeDvc) -> None:
    here.change({"flows.time_limits": {"train": 0.25}})
    dvc.stale = {"mine"}

    def too_long(root: Path, tick: Tick) -> None:
        raise TimeLimitError("it ran longer than 0.25 minutes")

    dvc.during = {"train": too_long}
    ran = run_here(pipeline)
    ran.ends_with({"extract": "Unchanged", "mine": "Completed", "train": "Timed out"})
    assert dvc.limits == {"mine": 720 * 60, "train": 15} and dvc.asked.count("train") == 1
    assert ran.message.startswith("train: it ran longer than 0.25 minutes; raise flows.time_limits")


def test_cancelling_on_the_server_ends_the_stage(here: Small, dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancellation, "ASK_SECONDS", 0.0)
    dvc.stale = {"mine"}

    def cancelled(root: Path, tick: Tick) -> None:
        from prefect.client.orchestration import get_client
        from prefect.runtime import flow_run

        with get_client(sync_client=True) as client:
            client.set_flow_run_state(flow_run.id, Cancelling())
        tick()

    dvc.during = {"mine": cancelled}
    ran = run_here(pipeline)
    assert ran.run.state and ran.run.state.type == StateType.CANCELLED
    assert dvc.asked == ["mine"] and ran.message == "mine: the run was cancelled"


def test_a_workspace_that_another_pipeline_has(here: Small, dvc: FakeDvc) -> None:
    with workspace_checkout("pipeline of another"):
        ran = run_here(pipeline)
    assert ran.code == 1 and ran.states == {} and dvc.asked == []
    assert ran.message.startswith(f"another pipeline has the workspace {here.root}: pipeline of another (process ")


def test_a_revision_runs_without_the_changes_of_the_workspace(
    here: Small, dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[tuple[str, str]] = []
    monkeypatch.setattr(module, "save_experiment", lambda checkout, name, message: kept.append((name, message)))
    old, seen = here.git("rev-parse", "HEAD"), list[Path]()
    here.change({"mine.keep": 9})
    ran = run_here(pipeline, overrides={"mine.keep": 7})
    assert ran.code == 1
    assert ran.message.startswith("params.yaml differs from the last commit, and overrides run on a commit; commit")
    dvc.stale = {"mine"}

    def look(root: Path, tick: Tick) -> None:
        seen.append(root)
        assert "keep: 3\n" in (root / "params.yaml").read_text()
        assert not (root / "dvc.lock").exists()

    dvc.during = {"mine": look}
    ran = run_here(pipeline, rev=old)
    assert ran.code == 0 and kept == [(f"demo-{old[:8]}", f"demo@{old[:8]}")]
    assert seen[0] != here.root and not seen[0].exists(), "a worktree, which is gone"
    ran = run_here(pipeline, rev="nowhere")
    assert ran.message.startswith("git knows no revision nowhere")


@pytest.mark.parametrize(
    ("overrides", "line"),
    [
        ({"mine.kep": 3}, "params.yaml with the overrides: unknown key mine.kep; did you mean keep?"),
        ({"mine.keep": "many"}, "params.yaml with the overrides: mine.keep = 'many': input should be a valid integer"),
        ({"flows.retrys": 3}, "params.yaml with the overrides: unknown key flows.retrys; did you mean retries?"),
    ],
)
def test_wrong_overrides_are_one_line_before_anything_runs(
    here: Small, dvc: FakeDvc, overrides: dict[str, Any], line: str
) -> None:
    ran = run_here(pipeline, overrides=overrides)
    assert (ran.code, ran.message, ran.states, dvc.asked) == (1, line, {}, [])


def test_the_command_line(here: Small, dvc: FakeDvc, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    class Ended:
        def is_completed(self) -> bool:
            return len(given) == 1

    def flow(*arguments: Any, return_state: bool) -> Ended:
        given.append(arguments)
        return Ended()

    monkeypatch.setattr(module, "pipeline", flow)
    monkeypatch.setattr(module, "require_named_server", lambda: None)
    monkeypatch.setattr(sys, "argv", ["p", "--set", "mine.keep=7", "--force", "--rev", "HEAD"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert (ended.value.code, given) == (0, [({"mine.keep": 7}, None, True, "HEAD")])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 1
