"""The progress of running stages as an artifact on the page of their task run."""

from __future__ import annotations

import re
import time
from pathlib import Path
from uuid import UUID

from prefect import get_run_logger
from prefect.artifacts import create_progress_artifact, update_progress_artifact

from tasks.shared.runtime.progress import Progress, read_progress

UPDATE_SECONDS = 2.0  # between two updates


class ProgressArtifact:
    """Shows on Prefect's page what a stage writes of its progress into a file.

    Args:
        name: of the task, for the artifact's key.
        path: the file.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._key = "progress-" + key_of(name)
        self._path = path
        self._artifact: UUID | None = None
        self._shown: Progress | None = None
        self._updated = 0.0
        self._works = True

    def update(self, *, last: bool = False) -> None:
        """Update the artifact where the progress has changed; at most every two seconds, but for the last time."""
        if time.monotonic() - self._updated < UPDATE_SECONDS and not last:
            return
        now = read_progress(self._path)
        if now is None or now == self._shown or not self._works:
            return
        self._updated, self._shown = time.monotonic(), now
        try:
            self._show(now)
        except Exception as error:  # a server that refuses must not fail the stage
            self._works = False
            get_run_logger().warning("progress is not shown from here on: %s", " ".join(str(error).split())[:200])

    def _show(self, now: Progress) -> None:
        percent = 100.0 * now.done / now.total if now.total else 0.0
        of = f" of {now.total}" if now.total is not None else ""
        text = f"{now.what}: {now.done}{of} {now.unit if now.done == 1 else _plural(now.unit)}"
        if self._artifact is None:
            made = create_progress_artifact(percent, key=self._key, description=text)
            assert isinstance(made, UUID), "called outside of an event loop"
            self._artifact = made
        else:
            update_progress_artifact(self._artifact, percent, description=text)


def _plural(unit: str) -> str:
    return f"{unit[:-1]}ies" if unit.endswith("ry") else f"{unit}{'es' if unit.endswith('ch') else 's'}"


def key_of(name: str) -> str:
    """A name as Prefect takes keys: lowercase letters, digits and dashes."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
