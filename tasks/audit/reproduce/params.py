"""Params as the manifests record them, against a params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tasks.lineage.model import Execution
from tasks.shared.execution.params import as_read
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.tracking import flat
from tasks.shared.runtime.errors import UserError


def recorded(manifests: Mapping[str, Execution]) -> dict[str, Any]:
    """Params of all stages, by section or dotted key as dvc.yaml names them.

    Raises UserError where two stages were run with different values: then they are not of one run of the pipeline.
    """
    found: dict[str, Any] = {}
    maker: dict[str, str] = {}
    for stage, manifest in manifests.items():
        for key, value in flat(manifest.params).items():
            if key in found and found[key] != value:
                raise UserError(
                    f"{maker[key]} was run with {key} = {found[key]} and {stage} with {value}, so no one run of the "
                    "pipeline made this score; bring it up to date with `dvc repro`, or name an MLflow run"
                )
            found[key], maker[key] = value, stage
    return {key: value for manifest in manifests.values() for key, value in manifest.params.items()}


def changed(params: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Keys in which a params.yaml is not as recorded: what it has, and what was recorded; None where there is none."""
    before, after = flat(as_read(params)), flat(as_read(overridden(params, recorded)))
    return {
        key: [before.get(key), after.get(key)]
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    }
