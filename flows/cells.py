"""Running the cells of a grid: a bounded number of stages at a time, each cell in its worktree."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from contextvars import copy_context
from dataclasses import dataclass, field
from pathlib import Path

from flows.cancellation import Cancellation
from flows.checkout import Checkout, save_experiment, worktree_checkout
from flows.grid import Overrides, Unit
from flows.names import experiment_name
from flows.params import FlowParams
from flows.pipeline import scores_in
from flows.stage import StageResult, StageTask, run_stages
from tasks.shared.artifacts.scores import Scores
from tasks.shared.runtime.errors import UserError


@dataclass
class Cell:
    """One combination of values, and how its run ended.

    Attributes:
        label: what tells it from the other cells.
        name: of a run of the pipeline with these overrides.
        results: how its stages ended.
        scores: None until it has run through, and where its evaluation has none.
        experiment: the DVC experiment that keeps it.
        failed: why it did not run through.
    """

    label: str
    overrides: Overrides
    name: str
    results: list[StageResult] = field(default_factory=list)
    scores: Scores | None = None
    experiment: str | None = None
    failed: str | None = None
    checkout: Checkout | None = None
    resources: ExitStack = field(default_factory=ExitStack)


class GridRun:
    """All cells of a grid, and what has run of them.

    Args:
        units: what is to run, each after what it needs.
    """

    def __init__(
        self, commit: str, cells: list[Cell], units: list[Unit], params: FlowParams, root: Path = Path()
    ) -> None:
        self.commit, self.cells = commit, cells
        self._units, self._params, self._root = units, params, root
        self._finished: set[int] = set()
        self._failed: set[int] = set()  # units that failed, or need one that did
        self._cancellation = Cancellation()

    def run(self, parallel: int) -> None:
        """Run all units, `parallel` at a time. Where a cell fails, only those that need its results fail with it.

        Raises RunCancelledError when the run is cancelled; whatever is raised, no program and no worktree is left.
        """
        running: dict[Future[None], int] = {}
        try:
            with ThreadPoolExecutor(parallel) as pool:
                try:
                    while running or self._ready(running.values()):
                        for number in self._ready(running.values())[: parallel - len(running)]:
                            self._open(number)
                            running[pool.submit(copy_context().run, self._run_unit, number)] = number
                        for future in wait(running, timeout=1, return_when=FIRST_COMPLETED).done:
                            future.result()
                            self._close(running.pop(future))
                        self._cancellation.check()
                except BaseException:
                    self._cancellation.cancel()  # the threads end their programs, and the pool waits for them
                    raise
        finally:
            for one in self.cells:
                one.resources.close()

    def _ready(self, running: Collection[int]) -> list[int]:
        """Units that can begin, those of the first cells first."""
        begun = {*self._finished, *self._failed, *running}
        return [
            number for number, unit in enumerate(self._units) if number not in begun and unit.after <= self._finished
        ]

    def _open(self, number: int) -> None:
        """Make the worktree of a unit's cell, where it is the cell's first."""
        one = self.cells[self._units[number].cell]
        if one.checkout is None:
            checkout = worktree_checkout(self.commit, one.overrides, f"experiments {one.name}", self._root)
            one.checkout = one.resources.enter_context(checkout)

    def _run_unit(self, number: int) -> None:
        """Run a unit, in a thread."""
        unit = self._units[number]
        one = self.cells[unit.cell]
        assert one.checkout is not None
        stages = unit.stages[0] if len(unit.stages) == 1 else f"{unit.stages[0]} to {unit.stages[-1]}"
        task = StageTask(f"{one.label}: {stages}", unit.stages, one.checkout)
        state, results = run_stages(task, self._params, self._cancellation)
        one.results += results
        if not state.is_completed():
            one.failed = state.message or state.name
        elif self._last(number):
            one.scores = scores_in(one.checkout.root)
            try:
                save_experiment(one.checkout, experiment_name(one.name), one.name)
                one.experiment = experiment_name(one.name)
            except UserError as error:
                one.failed = str(error)

    def _close(self, number: int) -> None:
        """Note that a unit has ended, and remove the worktree of a cell that has ended."""
        one = self.cells[self._units[number].cell]
        if one.failed is None:
            self._finished.add(number)
        else:
            self._give_up(number)
        if one.failed is not None or self._last(number):
            one.resources.close()

    def _give_up(self, number: int) -> None:
        """Mark a unit and those that need it as failed."""
        unit = self._units[number]
        one = self.cells[unit.cell]
        self._failed.add(number)
        for later, other in enumerate(self._units):
            if number in other.after and later not in self._failed:
                waiting = self.cells[other.cell]
                waiting.failed = waiting.failed or f"it needs {unit.stages[-1]} of {one.label}, which failed"
                self._give_up(later)

    def _last(self, number: int) -> bool:
        return all(unit.cell != self._units[number].cell for unit in self._units[number + 1 :])
