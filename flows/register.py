"""Telling the Prefect server what can be run, without undoing what people chose there."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flows.deployments import Cron, Deployment
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.deployments.runner import RunnerDeployment

# Prefect sends an existing deployment's fields that are set, and sets these to what a new one has.
LEFT_ALONE = {"paused", "schedules", "concurrency_limit", "concurrency_options"}


def api_url() -> str:
    """Where the Prefect server is. Raises UserError where nobody says."""
    if not (url := os.environ.get("PREFECT_API_URL")):
        raise UserError("PREFECT_API_URL does not say where the Prefect server is; `make` does, or export it")
    return url


def require_named_server() -> None:
    """Exit with one line and 2 where the environment names a Prefect server that does not answer.

    Where it names none, Prefect starts one for the run alone.
    """
    try:
        if os.environ.get("PREFECT_API_URL"):
            asyncio.run(require_server())
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)


async def require_server() -> None:
    """Raise UserError where no Prefect server answers."""
    from prefect.client.orchestration import get_client

    url = api_url()
    async with get_client() as client:
        if await client.api_healthcheck() is not None:
            raise UserError(f"no Prefect server answers at {url}; start one with `make ui`, or mend PREFECT_API_URL")


def prepared(stated: Deployment, pool: str | None = None) -> RunnerDeployment:
    """A deployment for Prefect to create, or to change where it is known: of a work pool, or served from here.

    One that a person paused stays paused, and a limit that a person gave it stays. Schedules are for `keep_schedules`.
    Raises UserError where its flow cannot be loaded.
    """
    from prefect.deployments.runner import RunnerDeployment
    from prefect.exceptions import MissingFlowError, ScriptError
    from prefect.flows import Flow, load_flow_from_entrypoint

    try:
        flow: Flow[..., Any] = load_flow_from_entrypoint(stated.entrypoint, use_placeholder_flow=False)
    except (MissingFlowError, ScriptError) as error:
        reason = " ".join(str(getattr(error, "user_exc", error)).split())
        raise UserError(f"{stated.entrypoint} cannot be loaded: {reason}") from error
    deployment = RunnerDeployment.from_flow(
        flow, stated.name, description=stated.description, tags=stated.tags, parameters=stated.parameters
    )
    deployment.work_pool_name, deployment.work_queue_name = pool, None  # set, so that one from elsewhere is replaced
    deployment.model_fields_set.difference_update(LEFT_ALONE)
    return deployment


async def keep_schedules(client: PrefectClient, deployment_id: UUID, stated: list[Cron]) -> None:
    """Give a deployment the stated schedules. Whether one is active, and what people added, stays as it is."""
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    known = {one.slug: one for one in await client.read_deployment_schedules(deployment_id)}
    for cron in stated:
        found = known.get(cron.slug)
        if cron.cron is None:
            if found:
                await client.delete_deployment_schedule(deployment_id, found.id)
            continue
        schedule = CronSchedule(cron=cron.cron, timezone=cron.timezone)
        if found is None:
            new = DeploymentScheduleCreate(schedule=schedule, slug=cron.slug)
            await client.create_deployment_schedules(deployment_id, [new])
        elif found.schedule != schedule:  # the server would empty parameters that are not sent
            await client.update_deployment_schedule(
                deployment_id, found.id, schedule=schedule, parameters=found.parameters
            )
