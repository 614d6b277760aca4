"""What can be run and when: prefect.yaml, with the schedules that params.yaml gives."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from flows.params import FlowParams
from tasks.shared.runtime.errors import UserError

PREFECT_FILE = Path("prefect.yaml")
FROM_ENVIRONMENT = re.compile(r"\{\{ *\$(\w+) *\}\}")


class Stated(BaseModel):
    """A part of prefect.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Cron(Stated):
    slug: str  # by which the server knows the schedule again
    cron: str | None  # None: not scheduled
    timezone: str


class Pool(Stated):
    name: str


class Deployment(Stated):
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


class PrefectFile(Stated):
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
