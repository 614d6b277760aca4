"""Tasks run one after the other, in this process or in several, any of which may die.

Every process has a pipe of its own, so it is known which of them died, and ends with the process that started it.
(A ProcessPoolExecutor stops all its processes when one of them dies, and each would load its model again.)
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from tasks.shared.runtime.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

SPAWN = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold, and CUDA does not survive it
STARTED = "started"


@dataclass(frozen=True)
class Work(Generic[T, R]):
    """What is done with every task, sent to processes where there are several: functions of modules, or methods of an
    object that can be sent, which is then one object in each process."""

    start: Callable[[int], object] | None  # called in each process first, with its number from 0
    load: Callable[[T], Any]  # what a task needs; called by several threads
    answer: Callable[[T, Callable[[], Any]], R]  # its second argument returns what was loaded, or raises
    ahead: int = 0  # tasks loaded by threads while one is worked on; 0: no threads

    def begin(self, task: T, loader: ThreadPoolExecutor) -> tuple[T, Callable[[], Any]]:
        """The task, and the function that returns what was loaded for it."""
        return task, loader.submit(self.load, task).result if self.ahead else partial(self.load, task)


class Died:
    """The answer where the process died that worked on this task alone."""


def in_turn(tasks: Sequence[T], work: Work[T, R]) -> Iterator[tuple[T, R]]:
    """Every task with its answer, worked on in this process. Raises what `work` raises."""
    if work.start:
        work.start(0)
    with ThreadPoolExecutor(work.ahead or 1) as loader:
        begun: deque[tuple[T, Callable[[], Any]]] = deque()
        for task in tasks:
            begun.append(work.begin(task, loader))
            if len(begun) > work.ahead:
                yield begun[0][0], work.answer(*begun.popleft())
        while begun:
            yield begun[0][0], work.answer(*begun.popleft())


def side_by_side(tasks: Sequence[T], work: Work[T, R], count: int) -> Iterator[tuple[T, R | Died]]:
    """Every task with its answer, in the order in which they are finished by `count` processes. The tasks that a
    process held when it died are retried, each alone, so that only the one that kills it is lost. Raises what `work`
    raises; UserError where a process dies before it has started."""
    waiting, suspects = deque(tasks), deque[T]()
    workers = [_Worker(number, work) for number in range(min(count, len(tasks)))]
    try:
        while waiting or suspects or any(worker.given for worker in workers):
            _give_out(workers, waiting, suspects, work.ahead)
            busy = {worker.pipe: worker for worker in workers if worker.pipe and worker.given}
            for pipe in wait(list(busy)):
                yield from busy[pipe].receive(suspects)  # type: ignore[index]
    finally:
        for worker in workers:
            worker.end()


def _give_out(workers: list[_Worker[T, R]], waiting: deque[T], suspects: deque[T], ahead: int) -> None:
    for held in range(1 + ahead):  # one to each before any has two
        for worker in workers:
            if held == 0 and suspects and not worker.given:
                worker.give(suspects.popleft(), alone=True)
            elif waiting and not suspects and len(worker.given) == held and not (held and worker.alone):
                worker.give(waiting.popleft())


class _Worker(Generic[T, R]):
    """A process, begun with its first task, and the tasks that it has not answered, oldest first."""

    def __init__(self, number: int, work: Work[T, R]) -> None:
        self.number, self.work = number, work
        self.given: deque[T] = deque()
        self.alone = False  # whether all it has is a suspect
        self.pipe: Connection | None = None

    def give(self, task: T, *, alone: bool = False) -> None:
        if self.pipe is None:
            self._begin()
        self.given.append(task)
        self.alone = alone
        self._send(task)

    def _begin(self) -> None:
        self.started = False
        self.pipe, theirs = SPAWN.Pipe()
        self.process = SPAWN.Process(target=_serve, args=(theirs, self.number), daemon=True)
        self.process.start()
        theirs.close()  # the process has the only other end: its death closes the pipe
        self._send(self.work)

    def receive(self, suspects: deque[T]) -> Iterator[tuple[T, R | Died]]:
        """Read its next message: an answer, or none. The tasks of a dead process become suspects."""
        assert self.pipe is not None
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            self.end()
            if not self.started:
                code = self.process.exitcode
                raise UserError(
                    f"a process died before its first item (exit code {code}); free memory, or start fewer processes"
                ) from None
            given, self.given = self.given, deque()
            if self.alone:
                yield given[0], Died()
            else:
                suspects += given
            return
        if isinstance(message, BaseException):
            raise message
        if message == STARTED:
            self.started = True
            return
        yield self.given.popleft(), message[0]

    def end(self) -> None:
        """Kill the process, where there is one."""
        if self.pipe is not None:
            self.process.kill()
            self.process.join()
            self.pipe.close()
            self.pipe = None

    def _send(self, what: object) -> None:
        assert self.pipe is not None
        with suppress(BrokenPipeError, ConnectionResetError):  # it died: the next read of the pipe shows it
            self.pipe.send(what)


def _serve(pipe: Connection, number: int) -> None:
    """The program of a process: start, report that, and answer until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ctrl-c reaches every process: this one goes at once, in silence
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        work: Work[Any, Any] = pipe.recv()
        if work.start:
            work.start(number)
        pipe.send(STARTED)
        with ThreadPoolExecutor(work.ahead or 1) as loader:
            begun: deque[tuple[Any, Callable[[], Any]]] = deque()
            while True:
                while not begun or pipe.poll():
                    begun.append(work.begin(pipe.recv(), loader))
                pipe.send((work.answer(*begun.popleft()),))
    except EOFError:
        return
    except Exception as error:
        known = isinstance(error, UserError | OSError)  # of others not all can be sent
        pipe.send(error if known else RuntimeError(f"in a process beside: {type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
