"""Deployments: what prefect.yaml states, with the schedules of params.yaml, and how the server is told of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.params import FlowParams
from tasks.shared.runtime.errors import UserError

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.deployments.runner import RunnerDeployment

PREFECT_FILE = Path("prefect.yaml")
FROM_ENVIRONMENT = re.compile(r"\{\{ *\$(\w+) *\}\}")
# Prefect sends an existing deployment's fields that are set, and sets these to what a new one has.
LEFT_ALONE = {"paused", "schedules", "concurrency_limit", "concurrency_options"}


class _Part(BaseModel):
    """A part of prefect.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cron(_Part):
    slug: str  # by which the server knows the schedule again
    cron: str | None  # None: not scheduled
    timezone: str


class Pool(_Part):
    name: str


class Deployment(_Part):
    """A flow that can be run under a name, with these parameters, at these times."""

    name: str
    entrypoint: str
    description: str
    tags: list[str] = Field(min_length=1, max_length=1)  # runs of one tag go one after the other
    parameters: dict[str, Any] = {}
    schedules: list[Cron] = []
    work_pool: Pool

    @property
    def full_name(self) -> str:
        """As Prefect names it, after its flow, which is called as its function is."""
        return f"{self.entrypoint.rpartition(':')[2]}/{self.name}"


class PrefectFile(_Part):
    name: str
    pull: list[dict[str, Any]]  # what a worker does before it loads a flow; filled in on its machine
    deployments: list[Deployment]


def environment(flows: FlowParams) -> dict[str, str]:
    """What prefect.yaml takes from the environment when schedules are registered; without those that are null."""
    values = {"NIGHTLY": flows.nightly, "WEEKLY": flows.weekly, "TIMEZONE": flows.timezone}
    return {f"REELTRACE_{name}": value for name, value in values.items() if value is not None}


def read_prefect_file(flows: FlowParams, path: Path = PREFECT_FILE) -> PrefectFile:
    """prefect.yaml with its schedules filled in. Raises UserError where it is missing or wrong."""
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        values = environment(flows)
        for deployment in raw["deployments"]:
            for schedule in deployment.get("schedules", []):
                schedule.update({key: _filled(value, values) for key, value in schedule.items()})
        return PrefectFile.model_validate(raw)
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise UserError(f"{path} states no deployments: {' '.join(str(error).split())}") from None


def _filled(text: str, values: dict[str, str]) -> str | None:
    found = FROM_ENVIRONMENT.fullmatch(text)
    return values.get(found[1]) if found else text


def runner_deployment(stated: Deployment, pool: str | None = None) -> RunnerDeployment:
    """A deployment for Prefect to create, or to update: of a work pool, or without one where it is served from here.

    Whether it is paused and its concurrency limit stay as the server has them; schedules are set by `set_schedules`.
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


async def set_schedules(client: PrefectClient, deployment_id: UUID, stated: list[Cron]) -> None:
    """Give a deployment the stated schedules; those that people added or paused on the server stay so."""
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
