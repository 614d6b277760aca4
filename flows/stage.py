"""Stages of dvc.yaml as a Prefect task: `dvc repro` of them alone, in a process group of their own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from prefect import Task, get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import StateType, TaskRun
from prefect.states import Cancelled, Completed, Failed, State

from flows.cancellation import Cancellation, RunCancelledError
from flows.checkout import Checkout
from flows.params import FlowParams
from flows.stage_progress import ProgressArtifact
from tasks.shared.execution.programs import TimeLimitError
from tasks.shared.execution.repro import Outcome, StageFailedError, repro
from tasks.shared.runtime.progress import PLACE

FAILED, WRONG_INPUT, TIMED_OUT = "Failed", "Wrong input", "Timed out"  # names of failed states; the first is retried
STATE_NAMES: dict[Outcome, str] = {"ran": "Completed", "restored": "Restored", "unchanged": "Unchanged"}
MESSAGES = {
    "ran": "DVC ran it",
    "restored": "DVC restored it from its cache of runs: the same code, params and inputs ran before",
    "unchanged": "DVC finds nothing changed",
}
LONGEST_PAUSE = 3600.0  # seconds between two attempts


@dataclass(frozen=True)
class StageResult:
    """How a stage ended.

    Attributes:
        outcome: what DVC did.
        seconds: how long that took, the last attempt; of stages done in one go, an equal share.
        lines: what the stage printed, each beginning with its name.
    """

    stage: str
    outcome: Outcome
    seconds: float = 0.0
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class StageTask:
    """Stages to bring up to date in one task run.

    Attributes:
        name: of the task run.
        stages: in the order to run them; several only where DVC is expected to restore them.
        unchanged: DVC was asked before and finds nothing changed.
        force: run them even where nothing changed.
    """

    name: str
    stages: Sequence[str]
    checkout: Checkout
    unchanged: bool = False
    force: bool = False


def run_stages(task: StageTask, params: FlowParams, cancellation: Cancellation) -> tuple[State[Any], list[StageResult]]:
    """Bring the stages up to date as a Prefect task: its final state, and how each stage ended.

    A failure that may pass is retried after a growing pause. Whatever a stage does, nothing is raised.
    """
    results: list[StageResult] = []

    def attempt() -> State[Any]:  # a closure: Prefect copies a task's arguments
        return _attempt(task, params, cancellation, results)

    prefect_task = Task(
        attempt,
        name=task.name,
        task_run_name=task.name,
        retries=params.retries,
        retry_delay_seconds=[min(LONGEST_PAUSE, params.retry_seconds * 2**again) for again in range(params.retries)],
        retry_condition_fn=_is_retryable,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return prefect_task(return_state=True), results


def _is_retryable(prefect_task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 Prefect's signature
    return state.name == FAILED


def _attempt(task: StageTask, params: FlowParams, cancellation: Cancellation, results: list[StageResult]) -> State[Any]:
    if task.unchanged:
        results += [StageResult(stage, "unchanged") for stage in task.stages]
        return Completed(name=STATE_NAMES["unchanged"], message=MESSAGES["unchanged"])
    minutes = sum(params.time_limits.get(stage, params.time_limit_minutes) for stage in task.stages)
    lines: list[str] = []
    begin = time.monotonic()
    logger = get_run_logger()

    def line(text: str) -> None:
        lines.append(text)
        logger.info(text)

    with TemporaryDirectory(prefix="reeltrace-") as folder:
        progress = ProgressArtifact(task.name, Path(folder) / "progress.json")

        def tick() -> None:
            cancellation.check()
            progress.update()

        try:
            outcomes = repro(
                task.checkout.root,
                task.stages,
                task.checkout.environment | {PLACE: str(Path(folder) / "progress.json")},
                line=line,
                force=task.force,
                tick=tick,
                limit=60 * minutes,
                held=[task.checkout.lock],
            )
        except StageFailedError as error:
            return Failed(name=FAILED if error.retryable else WRONG_INPUT, message=str(error))
        except TimeLimitError as error:
            hint = f"raise flows.time_limits in params.yaml, or run again: {task.name} goes on from finished items"
            return State(type=StateType.FAILED, name=TIMED_OUT, message=f"{task.name}: {error}; {hint}")
        except RunCancelledError as error:
            return Cancelled(message=f"{task.name}: {error}")
        except KeyboardInterrupt:
            return Cancelled(message=f"{task.name}: interrupted")
        progress.update(last=True)
    seconds = (time.monotonic() - begin) / len(task.stages)
    results += [
        StageResult(stage, outcomes[stage], seconds, tuple(one for one in lines if one.startswith(f"{stage}: ")))
        for stage in task.stages
    ]
    last = outcomes[task.stages[-1]]
    return Completed(name=STATE_NAMES[last], message=MESSAGES[last])
