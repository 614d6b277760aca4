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

from flows.checkout import Checkout
from flows.params import FlowParams
from flows.stopping import Stop, StoppedError
from flows.watching import Watch
from tasks.shared.execution.programs import TimeLimitError
from tasks.shared.execution.repro import Outcome, StageFailedError, repro
from tasks.shared.runtime.progress import PLACE

PASSING, WRONG, TIMED_OUT = "Failed", "Wrong input", "Timed out"  # names of failed states; the first is Prefect's own
NAMES: dict[Outcome, str] = {"ran": "Completed", "restored": "Restored", "unchanged": "Unchanged"}
TELLS = {
    "ran": "DVC ran it",
    "restored": "DVC restored it from its cache of runs: the same code, params and inputs ran before",
    "unchanged": "DVC finds nothing changed",
}
LONGEST = 3600.0  # seconds between two attempts


@dataclass(frozen=True)
class Done:
    """What came of a stage.

    Attributes:
        outcome: what DVC did.
        seconds: how long that took, the last attempt; of stages done in one go, an equal share.
        said: the stage's own lines, which begin with its name.
    """

    stage: str
    outcome: Outcome
    seconds: float = 0.0
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Work:
    """What is to be done where, by one task run.

    Attributes:
        name: of the task run.
        stages: in the order to run them; several only where DVC is expected to restore them.
        known: DVC has been asked about them already and finds nothing changed.
        force: run them even where nothing changed.
    """

    name: str
    stages: Sequence[str]
    checkout: Checkout
    known: bool = False
    force: bool = False


def do(work: Work, patience: FlowParams, stop: Stop) -> tuple[State[Any], list[Done]]:
    """Do it as a task run: its final state, and what came of the stages.

    A failure that trying again may mend is tried again after a growing pause. Raises nothing that a stage may cause.
    """
    done: list[Done] = []

    def attempt() -> State[Any]:  # closes over what it needs: of a task's arguments Prefect hands copies on
        return _attempt(work, patience, stop, done)

    task = Task(
        attempt,
        name=work.name,
        task_run_name=work.name,
        retries=patience.retries,
        retry_delay_seconds=[min(LONGEST, patience.retry_seconds * 2**again) for again in range(patience.retries)],
        retry_condition_fn=_may_pass,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    return task(return_state=True), done


def _may_pass(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001 Prefect's signature
    return state.name == PASSING


def _attempt(work: Work, patience: FlowParams, stop: Stop, done: list[Done]) -> State[Any]:
    if work.known:
        done += [Done(stage, "unchanged") for stage in work.stages]
        return Completed(name=NAMES["unchanged"], message=TELLS["unchanged"])
    minutes = sum(patience.time_limits.get(stage, patience.time_limit_minutes) for stage in work.stages)
    lines: list[str] = []
    begin = time.monotonic()
    logger = get_run_logger()

    def line(text: str) -> None:
        lines.append(text)
        logger.info(text)

    with TemporaryDirectory(prefix="reeltrace-") as folder:
        watch = Watch(work.name, Path(folder) / "progress.json")

        def tick() -> None:
            stop.check()
            watch.tick()

        try:
            outcomes = repro(
                work.checkout.root,
                work.stages,
                work.checkout.environment | {PLACE: str(Path(folder) / "progress.json")},
                line=line,
                force=work.force,
                tick=tick,
                limit=60 * minutes,
                held=[work.checkout.lock],
            )
        except StageFailedError as error:
            return Failed(name=PASSING if error.passing else WRONG, message=str(error))
        except TimeLimitError as error:
            hint = f"raise flows.time_limits in params.yaml, or run again: {work.name} goes on from finished items"
            return State(type=StateType.FAILED, name=TIMED_OUT, message=f"{work.name}: {error}; {hint}")
        except StoppedError as error:
            return Cancelled(message=f"{work.name}: {error}")
        except KeyboardInterrupt:
            return Cancelled(message=f"{work.name}: interrupted")
        watch.tick(last=True)
    seconds = (time.monotonic() - begin) / len(work.stages)
    done += [
        Done(stage, outcomes[stage], seconds, tuple(one for one in lines if one.startswith(f"{stage}: ")))
        for stage in work.stages
    ]
    last = outcomes[work.stages[-1]]
    return Completed(name=NAMES[last], message=TELLS[last])
