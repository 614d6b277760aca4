"""Doing one costly step for many items: what is finished is taken from the store, what fails is recorded."""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from tasks.shared.errors import disk_full
from tasks.shared.failures import Failure
from tasks.shared.items import ItemStore
from tasks.shared.progress import Bar

T = TypeVar("T")


@dataclass(frozen=True)
class Job(Generic[T]):
    """One item to process: its video id, its key in the store, and what the work needs to know."""

    video_id: str
    key: str
    payload: T


@dataclass
class Outcome:
    """Finished items' folders by video id, the failures, and how many were finished before."""

    done: dict[str, Path] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0


def process(
    step: str,
    store: ItemStore,
    jobs: Sequence[Job[T]],
    work: Callable[[T, Path], None],
    *,
    workers: int,
    prepare: Callable[[], object] | None = None,
    unit: str = "video",
) -> Outcome:
    """Run `work(payload, folder)` for every job that the store lacks.

    With `workers` of 1 it runs in this process (where a model is loaded once); with more, in a pool of spawned
    processes, so `work` must be a module's function. An exception is that item's failure, except a full disk,
    which ends the run; so is the death of a worker, and the items beside it are tried again.

    Args:
        step: of the stage; names the progress and the failures.
        store: where finished items are.
        jobs: the items, each video id once.
        work: fills a folder from a payload.
        workers: processes.
        prepare: called once before the first item that the store lacks, and not if it has them all. What it raises
            ends the run: a model that does not load is no item's failure.
        unit: what an item is, for the progress.
    """
    outcome = Outcome()
    missing = []
    with Bar(step, len(jobs), unit) as bar:
        for job in jobs:
            if (entry := store.get(job.key)) is None:
                missing.append(job)
            else:
                outcome.done[job.video_id] = entry
                bar.to(len(outcome.done))
    outcome.reused = len(outcome.done)
    if not missing:
        return outcome
    if prepare is not None:
        prepare()
    attempt = partial(_attempt, step, store, work)
    results = map(attempt, missing) if workers == 1 else _pooled(step, attempt, missing, workers)
    with Bar(step, len(jobs), unit, outcome.reused) as bar:
        for done, (video_id, result) in enumerate(results, start=outcome.reused + 1):
            if isinstance(result, Path):
                outcome.done[video_id] = result
            else:
                outcome.failures.append(result)
            bar.to(done)
    return outcome


Result = tuple[str, Path | Failure]


def _attempt(step: str, store: ItemStore, work: Callable[[T, Path], None], job: Job[T]) -> Result:
    """One item's result. Errors are turned into records here, in the worker: not every exception can be pickled."""
    try:
        return job.video_id, store.put(job.key, partial(work, job.payload))
    except Exception as error:
        if disk_full(error):
            raise
        return job.video_id, Failure.of(job.video_id, step, error)


def _pooled(step: str, attempt: Callable[[Job[T]], Result], jobs: Sequence[Job[T]], workers: int) -> Iterator[Result]:
    waiting = deque(jobs)
    while waiting:
        suspects: list[Job[T]] = []  # in flight when a worker died: one of them killed it
        with _pool(workers) as pool:
            flying: dict[Future[Result], Job[T]] = {}
            while flying or (waiting and not suspects):
                while waiting and not suspects and len(flying) < 2 * workers:
                    job = waiting.popleft()
                    try:
                        flying[pool.submit(attempt, job)] = job
                    except BrokenProcessPool:
                        suspects.append(job)
                for future in wait(flying, return_when=FIRST_COMPLETED).done:
                    job = flying.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        suspects.append(job)
        for job in suspects:  # alone in a process, each shows whether it was the one
            with _pool(1) as pool:
                try:
                    yield pool.submit(attempt, job).result()
                except BrokenProcessPool:
                    died = RuntimeError("the process working on it died")
                    yield job.video_id, Failure.of(job.video_id, step, died)


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=signal.signal,
        initargs=(signal.SIGINT, signal.SIG_DFL),  # ctrl-c reaches workers too: they go at once and print nothing
    )
