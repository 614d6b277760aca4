"""What is stale already, as DVC says it, before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class StaleStage:
    """A stage that `dvc repro` would look at now, and what DVC finds other than dvc.lock has it."""

    stage: str
    why: list[str]


def stale(root: Path = Path()) -> list[StaleStage]:
    """Stages whose dependencies, params, command or outputs are not what dvc.lock records.

    Raises UserError where DVC cannot tell.
    """
    from dvc.exceptions import DvcException  # half a second
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            found: dict[str, list[Any]] = repo.status()
    except (DvcException, OSError) as error:
        raise UserError(f"DVC cannot say what is stale: {' '.join(str(error).split())[:200]}") from None
    return [StaleStage(name, [why for entry in entries for why in _told(entry)]) for name, entries in found.items()]


def _told(entry: Any) -> list[str]:
    if not isinstance(entry, dict):
        return [str(entry)]  # `changed command`, `always changed`
    found = []
    for what, changes in entry.items():
        kind = what.removeprefix("changed ").removesuffix("s")
        for path, how in changes.items():
            if isinstance(how, dict):  # params: by file, then by key
                found += [f"{kind} {path}: {key} {state}" for key, state in how.items()]
            else:
                found.append(f"{kind} {path} {how}")
    return found
