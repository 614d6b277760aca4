"""dvc.lock: what DVC recorded of every stage, in the workspace or as a commit has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import yaml

from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class LockedStage:
    """A stage of dvc.lock: DVC's md5 of dependencies and outputs by path (`.dir` for folders), and params by key."""

    deps: dict[str, str]
    outs: dict[str, str]
    params: dict[str, Any]


def parse_lock(text: str, where: str) -> dict[str, LockedStage]:
    """The stages of a dvc.lock. Raises UserError where the text is none; `where` names it."""
    try:
        raw: Any = yaml.safe_load(text)
        return {
            name: LockedStage(
                {one["path"]: one.get("md5", "") for one in stage.get("deps", [])},
                {one["path"]: one.get("md5", "") for one in stage.get("outs", [])},
                dict(stage.get("params", {}).get("params.yaml", {})),
            )
            for name, stage in (raw or {}).get("stages", {}).items()
        }
    except (yaml.YAMLError, AttributeError, KeyError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{where} is not as DVC writes it ({reason}); restore it from git") from None
