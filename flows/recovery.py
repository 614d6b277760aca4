"""What an earlier `flows.serve` left on the server: runs whose process is gone, and late runs of a schedule."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.schemas.objects import FlowRun, State

PROCESSES = Path("/proc")
RUN_OF_PROCESS = re.compile(rb"(?:^|\0)PREFECT__FLOW_RUN_ID=([0-9a-f-]{36})")


async def mark_crashed(client: PrefectClient, deployments: Collection[UUID]) -> None:
    """Mark runs that were served from this machine as crashed where their process is gone."""
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled, Crashed

    if (alive := runs_with_process()) is None:
        return
    for run in await _runs(client, deployments, StateType.PENDING, StateType.RUNNING, StateType.CANCELLING):
        if run.id in alive or run.work_pool_name:  # a pool's worker may be anywhere
            continue
        wanted = run.state is not None and run.state.is_cancelling()
        state: State[Any] = (
            Cancelled() if wanted else Crashed(message="its process is gone; it was killed from outside")
        )
        await client.set_flow_run_state(run.id, state, force=True)


async def skip_missed(client: PrefectClient, deployments: Collection[UUID]) -> None:
    """Of the late runs of a deployment's schedules, keep the newest and mark the others as skipped."""
    from prefect.client.schemas.objects import StateType
    from prefect.states import Cancelled

    due: set[UUID | None] = set()
    for run in await _runs(client, deployments, StateType.SCHEDULED, before=datetime.now(UTC)):
        if not run.auto_scheduled:
            continue
        if run.deployment_id in due:
            state: State[Any] = Cancelled(name="Skipped", message="missed; a later run of the schedule makes up for it")
            await client.set_flow_run_state(run.id, state)
        due.add(run.deployment_id)


def runs_with_process() -> set[UUID] | None:
    """Runs that have a process on this machine; None on a system that does not tell.

    What a run starts inherits its id, so a run lives while any of that does.
    """
    if not PROCESSES.exists():
        return None
    found = set()
    for process in PROCESSES.glob("[0-9]*/environ"):
        try:
            environment = process.read_bytes()
        except OSError:  # gone meanwhile, or another user's
            continue
        if run := RUN_OF_PROCESS.search(environment):
            found.add(UUID(run[1].decode()))
    return found


async def _runs(
    client: PrefectClient, deployments: Collection[UUID], *types: object, before: datetime | None = None
) -> list[FlowRun]:
    """Runs of deployments in some states, expected before a time, the last of them first."""
    from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort

    return await client.read_flow_runs(
        deployment_filter=DeploymentFilter.model_validate({"id": {"any_": list(deployments)}}),
        flow_run_filter=FlowRunFilter.model_validate(
            {"state": {"type": {"any_": list(types)}}, "expected_start_time": {"before_": before}}
        ),
        sort=FlowRunSort.EXPECTED_START_TIME_DESC,
    )
