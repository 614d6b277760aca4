"""A grid of experiments as a Prefect flow: every cell in a worktree of its own, kept as a DVC experiment.

Cells share the workspace's item store and DVC cache, and what several of them need is computed by the first.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml
from prefect import flow, get_run_logger
from prefect.states import Cancelled, Completed, Failed, State

from flows.cancellation import RunCancelledError
from flows.cells import Cell, GridRun
from flows.comparison import publish
from flows.grid import Overrides, cells_of, units_of
from flows.names import name_of, run_name, value_text
from flows.params import FlowParams, checked_flow_params
from flows.pipeline import commit_to_run
from flows.server import require_named_server
from tasks.shared.execution.params import PARAMS_FILE, checked_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import DVC_FILE, stages_of
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError


@flow(name="experiments", flow_run_name=run_name, persist_result=False)
def experiments(grid: dict[str, list[Any]], parallel: int | None = None, rev: str | None = None) -> State[Any]:
    """Every combination of values for some params, and which is best.

    Args:
        grid: values to try by dotted key of params.yaml, as `{"mine.source": ["dense", "bm25"]}`.
        parallel: stages at a time; without it `flows.parallel` of params.yaml.
        rev: the commit, branch or tag to run; without it the workspace's, which must have no uncommitted changes.
    """
    try:
        if parallel is not None and parallel < 1:
            raise UserError(f"parallel: {parallel}: at least one stage at a time; give 1 or more, or leave it out")
        planned, params = plan(grid, rev)
        try:
            planned.run(parallel or params.parallel)
        except RunCancelledError as error:
            return Cancelled(message=str(error))
        except KeyboardInterrupt:
            return Cancelled(message="interrupted")
        headline = publish(planned.cells, name_of(planned.commit, None), params.mlflow_page)
    except UserError as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))
    failed = [one for one in planned.cells if one.failed]
    if failed:
        return Failed(message=f"{len(failed)} of {len(planned.cells)} cells failed, the first: {failed[0].failed}")
    return Completed(message=headline)


def plan(grid: dict[str, list[Any]], rev: str | None, root: Path = Path()) -> tuple[GridRun, FlowParams]:
    """A grid's cells, and the params that flows obey, before anything runs.

    Raises UserError for a key or a value that params.yaml cannot have.
    """
    commit = commit_to_run(rev)
    text, dag = (git.file_at(commit, path.as_posix(), root) for path in (PARAMS_FILE, DVC_FILE))
    if text is None or dag is None:
        raise UserError(f"commit {commit[:8]} has no {PARAMS_FILE} or no {DVC_FILE}; name another revision")
    raw = yaml.safe_load(text)
    flow_params = checked_flow_params(raw, str(PARAMS_FILE))
    cells, params = [], []
    for overrides in cells_of(grid):
        values = overridden(raw, overrides)
        params.append(checked_params(values, "a cell of the grid"))
        checked_flow_params(values, "a cell of the grid")
        cells.append(Cell(label_of(overrides), overrides, name_of(commit, overrides)))
    units = units_of(params, stages_of(dag, params[0].section))
    return GridRun(commit, cells, units, flow_params), flow_params


def label_of(overrides: Overrides) -> str:
    """What tells a cell from the others: its values, by the last part of their keys where that tells them apart."""
    last = [key.rpartition(".")[2] for key in overrides]
    names = last if len(set(last)) == len(last) else list(overrides)
    return " ".join(f"{name}={value_text(value)}" for name, value in zip(names, overrides.values(), strict=True))


def main() -> None:
    """Run a grid here, without a deployment; exit 1 where a cell failed."""
    parser = argparse.ArgumentParser(prog="python -m flows.experiments", description=__doc__)
    parser.add_argument("grid", help='values by key as JSON: {"mine.source": ["dense", "bm25"]}')
    parser.add_argument("--parallel", type=int, help="stages at a time")
    parser.add_argument("--rev", help="a commit, branch or tag instead of the workspace's")
    given = parser.parse_args()
    try:
        grid = json.loads(given.grid)
    except ValueError as error:
        parser.error(f"GRID is not JSON: {error}")
    require_named_server()
    state = experiments(grid, given.parallel, given.rev, return_state=True)
    sys.exit(0 if state.is_completed() else 1)


if __name__ == "__main__":
    main()
