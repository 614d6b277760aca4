"""What decided the bytes beside code, data and params: package versions, Python, the machine. Then, and here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from tasks.lineage.model import Execution, Run
from tasks.shared.execution.tracking import environment_tags

TAGS = ("env.python", "env.platform", "env.machine")  # of the host's name no byte depends


@dataclass(frozen=True)
class Difference:
    """Something that was otherwise when the results were made.

    Attributes:
        what: a package, or a tag of MLflow's runs.
        here: None for a package that is not installed.
        stages: whose results were made with it.
    """

    what: str
    recorded: str
    here: str | None
    stages: list[str]


def differences(manifests: Mapping[str, Execution], runs: Mapping[str, Sequence[Run]]) -> list[Difference]:
    """Where this environment is not that of the results. Of several runs of one result, one like here is enough."""
    found: dict[tuple[str, str, str | None], list[str]] = {}
    for stage, manifest in manifests.items():
        for name, recorded in manifest.components.items():
            if (here := _installed(name)) != recorded:
                found.setdefault((name, recorded, here), []).append(stage)
    tags = environment_tags()
    for tag in TAGS:
        for stage, of_stage in runs.items():
            values = [run.tags[tag] for run in of_stage if tag in run.tags]
            if values and tags[tag] not in values:
                found.setdefault((tag, values[0], tags[tag]), []).append(stage)
    return [Difference(*key, stages) for key, stages in found.items()]


def _installed(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
