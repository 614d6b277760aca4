"""Items that could not be processed: recorded, counted, and fatal only above a fraction."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_jsonl, write_jsonl

FAILURES = "failures.jsonl"


@dataclass(frozen=True)
class Failure:
    """One item that a step could not process: which, where, and the error's class and message."""

    video_id: str
    step: str
    error: str
    message: str

    @classmethod
    def of(cls, video_id: str, step: str, error: BaseException) -> Failure:
        """The record of an exception, its message on one line."""
        return cls(video_id, step, type(error).__name__, " ".join(str(error).split()))


def write_failures(out: Path, failures: Iterable[Failure]) -> None:
    """Write `failures.jsonl` into a stage's folder, sorted by video id; empty where nothing failed."""
    write_jsonl(out / FAILURES, [asdict(one) for one in sorted(failures, key=lambda one: (one.video_id, one.step))])


def read_failures(folder: Path) -> list[Failure]:
    """The failures recorded in a published stage's folder."""
    return [Failure(**row) for row in read_jsonl(folder / FAILURES)]


def refuse_too_many(failures: list[Failure], total: int, most: float, step: str) -> None:
    """Raise UserError when more than `most` (a fraction) of `total` items failed, keeping their list to look at."""
    if len(failures) <= most * total:
        return
    kept = store_folder() / "failed" / step
    write_failures(kept, failures)
    first = failures[0]
    raise UserError(
        f"{step}: {len(failures)} of {total} items failed, above run.max_failed_fraction = {most}; "
        f"the first is {first.video_id}: {first.error}: {first.message}; all are in {kept / FAILURES}"
    )
