"""Running one step for many items: finished items come from the store, failures are recorded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tasks.shared.execution.failures import Failure
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.execution.workers import Died, Work, in_turn, side_by_side
from tasks.shared.runtime.errors import disk_full
from tasks.shared.runtime.progress import Bar

T = TypeVar("T")

AHEAD = 2  # items loaded in advance, by as many threads: a GPU is faster than loading


@dataclass
class Outcome:
    """Finished items' folders by id, the failures, and how many items were finished before."""

    done: dict[str, Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0


def process(
    step: str,
    plan: Plan[T],
    work: Callable[[Any, Path], None],
    *,
    workers: int,
    prepare: Callable[[], object] | None = None,
    start: Callable[[int], object] | None = None,
    load: Callable[[T], Any] | None = None,
) -> Outcome:
    """Run `work(payload, folder)` for every item of a plan that the store lacks; `step` names the progress and the
    failures.

    With one worker it runs in this process. More are spawned, so `work`, `start` and `load` must be functions of
    modules, or methods of an object that can be sent. An exception is the failure of its item, except a full disk,
    which ends the run. The death of a worker is the failure of the item that caused it.

    `prepare` is called once, in this process, and only where the store lacks an item; `start` once in each process that
    works, with its number from 0; what they raise ends the run. `load` makes what `work` is given out of a payload, in
    threads, for the next items while one is worked on.
    """
    outcome = Outcome()
    missing = []
    with Bar(step, len(plan.items), plan.unit) as bar:
        for item in plan.items:
            if (entry := plan.store.get(item.key)) is None:
                missing.append(item)
            else:
                outcome.done[item.id] = entry
                bar.to(len(outcome.done))
    outcome.reused = len(outcome.done)
    if not missing:
        return outcome
    if prepare is not None:
        prepare()
    attempt = partial(_attempt, step, plan.store, work)
    todo: Work[Item[T], Path | Failure | Died] = Work(start, partial(_loaded, load), attempt, AHEAD if load else 0)
    results = in_turn(missing, todo) if workers == 1 else side_by_side(missing, todo, workers)
    with Bar(step, len(plan.items), plan.unit, outcome.reused) as bar:
        for done, (item, result) in enumerate(results, start=outcome.reused + 1):
            if isinstance(result, Path):
                outcome.done[item.id] = result
            elif isinstance(result, Failure):
                outcome.failures.append(result)
            else:
                died = RuntimeError("the process working on it died")
                outcome.failures.append(Failure.of(item.id, step, died))
            bar.to(done)
    return outcome


def _loaded(load: Callable[[T], Any] | None, item: Item[T]) -> Any:
    return item.payload if load is None else load(item.payload)


def _attempt(
    step: str, store: ItemStore, work: Callable[[Any, Path], None], item: Item[T], loaded: Callable[[], Any]
) -> Path | Failure:
    """One item's result. Errors are turned into records here, in the worker: not every exception can be sent."""
    try:
        return store.put(item.key, lambda folder: work(loaded(), folder))
    except Exception as error:
        if disk_full(error):
            raise
        return Failure.of(item.id, step, error)
