"""Params and environment of recorded results, and where a commit or this machine has others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from tasks.audit.change import changes
from tasks.lineage.model import Execution, Run
from tasks.shared.execution.params import as_read
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.tracking import environment_tags, flat
from tasks.shared.runtime.errors import UserError

TAGS = ("env.python", "env.platform", "env.machine")  # of the host's name no byte depends


@dataclass(frozen=True)
class OtherEnvironment:
    """Something that was different when the results were made.

    Attributes:
        what: a package, or a tag of MLflow's runs.
        here: None for a package that is not installed.
        stages: whose results were made with it.
    """

    what: str
    recorded: str
    here: str | None
    stages: list[str]


def recorded_params(executions: Mapping[str, Execution]) -> dict[str, Any]:
    """Params of all stages, by section or dotted key as dvc.yaml names them.

    Raises UserError where two stages were run with different values: then they are not of one run of the pipeline.
    """
    found: dict[str, tuple[str, Any]] = {}
    for stage, execution in executions.items():
        for key, value in flat(execution.params).items():
            maker, before = found.setdefault(key, (stage, value))
            if before != value:
                raise UserError(
                    f"{maker} was run with {key} = {before} and {stage} with {value}, so no one run of the "
                    "pipeline made this score; bring it up to date with `dvc repro`, or name an MLflow run"
                )
    return {key: value for execution in executions.values() for key, value in execution.params.items()}


def params_changed(params: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Keys in which a params.yaml is not as recorded: what it has, and what was recorded; None where there is none."""
    found = changes(flat(as_read(params)), flat(as_read(overridden(params, recorded))))
    return {one.key: [one.a, one.b] for one in found}


def other_environment(executions: Mapping[str, Execution], runs: Mapping[str, Sequence[Run]]) -> list[OtherEnvironment]:
    """Where this environment is not that of the results. Of several runs of one result, one like here is enough."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for stage, execution in executions.items():
        for name, recorded in execution.components.items():
            if (here := _installed(name)) != recorded:
                found.setdefault((name, recorded, here), []).append(stage)
    tags = environment_tags()
    for tag in TAGS:
        for stage, of_stage in runs.items():
            values = [run.tags[tag] for run in of_stage if tag in run.tags]
            if values and tags[tag] not in values:
                found.setdefault((tag, values[0], tags[tag]), []).append(stage)
    return [OtherEnvironment(*key, stages) for key, stages in found.items()]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
