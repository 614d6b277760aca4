"""The pipeline as a Prefect flow: one task a stage, in DVC's order, each a `dvc repro` of that stage alone.

DVC decides what is stale. Without overrides and revision it runs in the workspace; with any it runs in a worktree of
the commit, which shares the workspace's finished items and DVC cache, and is kept as a DVC experiment.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelled, Completed, Failed, State

from flows.cancellation import Cancellation
from flows.checkout import Checkout, save_experiment, workspace_checkout, worktree_checkout
from flows.names import experiment_name, name_of, run_name
from flows.params import FlowParams, load_flow_params
from flows.server import require_named_server
from flows.stage import StageTask, run_stages
from flows.summary import RunSummary, publish
from tasks.ready import require
from tasks.shared.artifacts.scores import FOLDER, Scores, read_scores
from tasks.shared.execution.params import PARAMS_FILE, Params, load_params
from tasks.shared.execution.params_file import assignment
from tasks.shared.execution.pipeline import DVC_FILE, order_of, read_stages, upstream_of
from tasks.shared.execution.repro import stale
from tasks.shared.execution.worktree import LOCK
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError


@flow(name="pipeline", flow_run_name=run_name, persist_result=False)
def pipeline(
    overrides: dict[str, Any] | None = None,
    stages: list[str] | None = None,
    force: bool = False,
    rev: str | None = None,
) -> State[Any]:
    """From videos to a score: every stage that is stale, and nothing else.

    Args:
        overrides: other values for params.yaml by dotted keys, as `{"train.epochs": 3}`. They run in a worktree of the
            commit and are kept as a DVC experiment; the workspace stays as it is.
        stages: run these stages only, in the workspace, on what the earlier ones have left; without it all of them.
        force: run the stages even where nothing has changed.
        rev: run this commit, branch or tag instead of the workspace as it is.
    """
    name = name_of(rev, overrides)
    try:
        if stages and (overrides or rev):
            raise UserError(
                "stages run on what lies in the workspace, overrides and rev beside it, where all is wanted; leave "
                "stages out, or the others"
            )
        before = scores_in(Path())
        with _checkout(overrides, rev, f"pipeline {name}") as checkout:
            params = load_params(checkout.root / PARAMS_FILE)
            flow_params = load_flow_params(checkout.root / PARAMS_FILE)
            tracking = checkout.environment.get("MLFLOW_TRACKING_URI")
            summary = RunSummary(name, checkout.root, flow_params.mlflow_page, overrides or {}, tracking, before)
            state = _run(checkout, params, flow_params, stages, force, summary)
            if state.is_completed() and (overrides or rev):
                summary.experiment = experiment_name(name)
                save_experiment(checkout, summary.experiment, name)
            summary.after = scores_in(checkout.root)
            publish(summary)
    except UserError as error:
        get_run_logger().error("%s", error)
        return Failed(message=str(error))
    except KeyboardInterrupt:
        return Cancelled(message="interrupted")
    return state if state.type != StateType.COMPLETED else Completed(message=summary.headline())


@contextmanager
def _checkout(overrides: Mapping[str, Any] | None, rev: str | None, what: str) -> Iterator[Checkout]:
    if not overrides and not rev:
        with workspace_checkout(what) as checkout:
            yield checkout
        return
    with worktree_checkout(commit_to_run(rev), overrides or {}, what) as checkout:
        yield checkout


def commit_to_run(rev: str | None) -> str:
    """The commit of a revision, or of the workspace; UserError where that has changes that no commit has."""
    commit = git.commit_of(rev or "HEAD")
    changed = [path for path in git.changed_files() if path != LOCK]
    if not rev and changed:
        what = changed[0] + (f" and {len(changed) - 1} more differ" if len(changed) > 1 else " differs")
        raise UserError(
            f"{what} from the last commit, and overrides run on a commit; commit first, or name the revision to run "
            "without it (rev: HEAD)"
        )
    return commit


def _run(
    checkout: Checkout,
    params: Params,
    flow_params: FlowParams,
    wanted: Sequence[str] | None,
    force: bool,
    summary: RunSummary,
) -> State[Any]:
    """Bring the stages up to date one after the other, until one fails."""
    specs = read_stages(params, checkout.root / DVC_FILE)
    cancellation = Cancellation()
    todo = stale(checkout.root, checkout.environment)
    if todo or force:
        require(params)
    changed: set[str] = set()  # stages that DVC ran or restored: it is asked again about those that follow
    for stage in chosen(order_of(specs), wanted):
        unchanged = not force and stage not in todo and not changed & set(upstream_of(specs, stage))
        state, results = run_stages(StageTask(stage, [stage], checkout, unchanged, force), flow_params, cancellation)
        summary.results += results
        if not state.is_completed():
            summary.failed = state.message
            return Cancelled(message=state.message) if state.is_cancelled() else Failed(message=state.message)
        if results[0].outcome != "unchanged":
            changed.add(stage)
    return Completed()


def chosen(order: Sequence[str], wanted: Sequence[str] | None) -> list[str]:
    """The wanted stages in the order to run them, all where none is named. Raises UserError for one there is not."""
    for name in wanted or ():
        if name not in order:
            close = get_close_matches(name, order, n=1)
            raise UserError(f"no stage {name}; {f'did you mean {close[0]}?' if close else f'there are {order}'}")
    return [stage for stage in order if not wanted or stage in wanted]


def scores_in(root: Path) -> Scores | None:
    """The scores that lie in a project; None where there are none, or none that can be read."""
    try:
        return read_scores(root / FOLDER)
    except UserError:
        return None


def main() -> None:
    """Run the pipeline here, without a deployment; exit 1 where it did not run through."""
    parser = argparse.ArgumentParser(prog="python -m flows.pipeline", description=__doc__)
    parser.add_argument("--set", dest="overrides", metavar="KEY=VALUE", action="append", default=[], type=assignment)
    parser.add_argument("--stages", nargs="+", metavar="STAGE", help="these only")
    parser.add_argument("--force", action="store_true", help="run even what has not changed")
    parser.add_argument("--rev", help="a commit, branch or tag instead of the workspace")
    given = parser.parse_args()
    require_named_server()
    state = pipeline(dict(given.overrides), given.stages, given.force, given.rev, return_state=True)
    sys.exit(0 if state.is_completed() else 1)


if __name__ == "__main__":
    main()
