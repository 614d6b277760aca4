"""What is stale in a workspace: DVC's own word."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def stale_stages(root: Path = Path()) -> tuple[dict[str, tuple[str, ...]], str | None]:
    """By stage that DVC would run again, why; and why that is not known, where it is not.

    A stage that only follows from such a one is not there: DVC tells it when its inputs have changed.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(root)) as repo:
            found: dict[str, list[Any]] = repo.status()
    except (DvcException, SCMError, OSError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        return {}, f"What is stale is not known: DVC's status cannot be had ({reason})."
    return {stage: tuple(_reasons(changes)) for stage, changes in found.items()}, None


def _reasons(changes: list[Any]) -> list[str]:
    """DVC's entries for a stage as words: `params.yaml train modified`, `tasks/train modified`."""
    reasons = []
    for change in changes:
        if not isinstance(change, dict):
            reasons.append(str(change))
            continue
        for kind, paths in change.items():
            of = "output " if kind == "changed outs" else ""
            for path, what in paths.items():
                if isinstance(what, dict):  # params of a file
                    reasons += [f"{path} {key} {state}" for key, state in what.items()]
                else:
                    reasons.append(f"{of}{path} {what}")
    return reasons
