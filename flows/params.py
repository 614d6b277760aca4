"""The section `flows` of params.yaml: when the flows run, how often they try again, and how long a stage may take.

No stage reads it, so a change makes nothing stale.
"""

from __future__ import annotations

import asyncio
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, ConfigDict, Field, field_validator

from tasks.shared.execution.params import NO_STAGES, PARAMS_FILE, Params, checked, read_params_file
from tasks.shared.execution.params_sections import Section


def _check_cron(text: str) -> str:
    """The same. Raises ValueError for what Prefect's scheduler cannot read, or finds no date for."""
    from prefect.server.schemas.schedules import CronSchedule

    try:
        schedule = CronSchedule(cron=text)
    except ValueError:
        raise ValueError(
            "not a cron expression; write minute, hour, day of the month, month and day of the week, as 0 2 * * *"
        ) from None
    try:
        asyncio.run(schedule.get_dates(1))
    except ValueError:
        raise ValueError("no such day exists") from None
    return text


Cron = Annotated[str, AfterValidator(_check_cron)]


class FlowParams(Section):
    """The section `flows`."""

    nightly: Cron | None  # the whole pipeline; None: not scheduled
    weekly: Cron | None  # the verification of every byte; None: not scheduled
    timezone: str  # of both, as the tz database names it
    retries: int = Field(ge=0)  # of a stage that failed
    retry_seconds: float = Field(ge=0)
    time_limit_minutes: float = Field(gt=0)  # of a stage
    time_limits: dict[str, Annotated[float, Field(gt=0)]]  # of single stages, by name, in minutes
    parallel: int = Field(ge=1)  # cells of a grid of experiments at a time
    mlflow_page: str  # where links to runs lead

    @field_validator("timezone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            return ZoneInfo(name).key
        except (KeyError, ValueError, OSError):
            raise ValueError("no timezone has this name; write one such as UTC or Europe/Berlin") from None

    @field_validator("mlflow_page")
    @classmethod
    def _address(cls, page: str) -> str:
        if not re.fullmatch(r"https?://[^/\s]+(/[^/\s]+)*", page):
            raise ValueError("write it as http://127.0.0.1:5000, without a slash at the end")
        return page

    @field_validator("time_limits")
    @classmethod
    def _of_stages(cls, limits: dict[str, float]) -> dict[str, float]:
        stages = [name for name in Params.model_fields if name not in NO_STAGES]
        for name in limits:
            if name not in stages:
                close = get_close_matches(name, stages, n=1)
                raise ValueError(f"no stage is named {name}; {f'did you mean {close[0]}?' if close else 'remove it'}")
        return limits


class _File(Section):
    """params.yaml, of which this section alone is read."""

    model_config = ConfigDict(extra="ignore")

    flows: FlowParams


def load_flow_params(path: Path = PARAMS_FILE) -> FlowParams:
    """Read and check the section. Raises UserError that names the first wrong key and what is wrong with it."""
    return checked_flow_params(read_params_file(path), str(path))


def checked_flow_params(raw: Any, where: str) -> FlowParams:
    """The section from what was read. Raises UserError that names the first wrong keys; `where` says of what."""
    return checked(_File, raw, where).flows
