"""Which run stands for a stage's result, and when it was."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.shared.artifacts.publish import MANIFEST
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime import git

UNKNOWN = uuid.uuid5(uuid.NAMESPACE_URL, "urn:reeltrace:manifest")  # namespace of ids of runs that MLflow lacks

Clock = Literal["mlflow", "commit", "file"]


@dataclass(frozen=True)
class JobRun:
    """A run of a stage as events tell it.

    Attributes:
        run_id: a UUID: the MLflow run's own id; where MLflow knows no run, one that follows from the manifest.
        started, ended: RFC 3339; started is None where no clock recorded it.
        clock: where the times are from: MLflow, the commit, or the manifest file's modification.
        execution: the MLflow run; None where MLflow knows none.
        others: ids of further MLflow runs that published the same result.
        commit: of git.
    """

    run_id: str
    started: str | None
    ended: str
    clock: Clock
    execution: Run | None
    others: list[str]
    commit: str | None

    @property
    def dirty(self) -> bool | None:
        """Whether tracked files differed from the commit; None where that was not recorded."""
        return self.execution.dirty if self.execution else None


def run_of(lineage: Lineage, manifest: Execution, found: Sequence[Run], named: str | None) -> JobRun:
    """The run that published a manifest.

    Args:
        found: MLflow runs that did, the oldest first.
        named: the run that was asked for; where it is none of these, the first that finished is taken, for it made
            what the later ones only made again.
    """
    finished = [one for one in found if one.status == "FINISHED"] or found
    chosen = next((one for one in found if one.run_id == named), next(iter(finished), None))
    commit = (chosen.commit if chosen else None) or lineage.commit
    ended, clock = _end(lineage, manifest, chosen, commit)
    return JobRun(
        run_id=_uuid(chosen.run_id if chosen else None, manifest),
        started=_time(chosen.started) if chosen and chosen.started is not None else None,
        ended=ended,
        clock=clock,
        execution=chosen,
        others=[one.run_id for one in found if one is not chosen],
        commit=commit,
    )


def _uuid(run_id: str | None, manifest: Execution) -> str:
    try:
        return str(uuid.UUID(hex=run_id))
    except (TypeError, ValueError):  # no run, or a tracking server with ids of its own kind
        return str(uuid.uuid5(UNKNOWN, run_id or manifest.digest))


def _end(lineage: Lineage, manifest: Execution, run: Run | None, commit: str | None) -> tuple[str, Clock]:
    if run is not None and run.ended is not None:
        return _time(run.ended), "mlflow"
    if commit and (committed := git.commit_time(commit)):
        return _time(datetime.fromisoformat(committed)), "commit"
    written = (lineage.root / RESULTS / manifest.stage / MANIFEST).stat().st_mtime
    return _time(datetime.fromtimestamp(written, UTC)), "file"


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def environment(tags: Mapping[str, str]) -> dict[str, str]:
    """Where a run ran, without the machine's name."""
    return {name: tags[tag] for name in ("python", "platform", "machine") if (tag := f"env.{name}") in tags}
