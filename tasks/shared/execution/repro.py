"""`dvc repro` of single stages, and what came of them: DVC decides what is stale, here it is only asked."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal

from tasks.shared.execution.programs import run
from tasks.shared.runtime.errors import UserError

Outcome = Literal["ran", "restored", "unchanged"]

DVC = (sys.executable, "-m", "dvc")
OUTCOME_LINES: dict[str, Outcome] = {  # how DVC words it
    r"Running stage '(?P<stage>[\w-]+)':": "ran",
    r"Stage '(?P<stage>[\w-]+)' is cached - skipping run": "restored",
    r"Stage '(?P<stage>[\w-]+)' didn't change": "unchanged",
}
FAILED = re.compile(r"ERROR: failed to reproduce '(?P<stage>[\w-]+)'(?:.*exited with (?P<code>-?\d+))?")
HINTS = re.compile(  # what DVC says after every stage of a pipeline that keeps its dvc.lock in git
    r"\s*$|Updating lock file|To track the changes with git|\s*git add |To enable auto staging|\s*dvc config core\."
    r"|Use `dvc push`"
)
BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked by", re.IGNORECASE)
NOT_RETRYABLE = (None, 2, 130, -signal.SIGINT)  # exit codes of stages after wrong input or Ctrl-C
LAST_LINES = 40  # lines


class StageFailedError(Exception):
    """A stage failed; `retryable`: whether trying again may help, not after wrong input or an interruption."""

    def __init__(self, stage: str, message: str, *, retryable: bool) -> None:
        super().__init__(message if message.startswith(f"{stage}:") else f"{stage}: {message}")
        self.retryable = retryable


def repro(
    root: Path,
    stages: Sequence[str],
    environment: Mapping[str, str],
    *,
    line: Callable[[str], None],
    force: bool = False,
    tick: Callable[[], None] = lambda: None,
    limit: float | None = None,
    held: Collection[int] = (),
) -> dict[str, Outcome]:
    """Bring stages up to date, these and no others, in the order given; by stage what DVC did. `line`, `tick`, `limit`
    and `held` are as `programs.run` has them, but DVC's hints are no lines; `force` runs them even where nothing
    changed. Raises StageFailedError for the first that fails, and TimeLimitError."""
    outcomes: dict[str, Outcome] = {}
    lines: list[str] = []

    def read_line(text: str) -> None:
        for pattern, outcome in OUTCOME_LINES.items():
            if found := re.match(pattern, text):
                outcomes[found["stage"]] = outcome
        if HINTS.match(text):
            return
        lines.append(text)
        del lines[:-LAST_LINES]
        line(text)

    command = [*DVC, "repro", "--single-item", *(["--force"] if force else []), *stages]
    code = run(command, root=root, environment=environment, line=read_line, tick=tick, limit=limit, held=held)
    if code:
        raise _failure(lines, next((one for one in stages if one not in outcomes), stages[-1]), code)
    return outcomes


def stale(root: Path, environment: Mapping[str, str]) -> set[str]:
    """Stages that DVC would run again as things are; one that only follows from such a one is not among them. Raises
    UserError with what DVC says where it cannot tell."""
    command = [*DVC, "status", "--json"]
    done = subprocess.run(command, cwd=root, env=dict(environment), capture_output=True, text=True, check=False)
    try:
        return set(json.loads(done.stdout))
    except ValueError:
        reason = " ".join((done.stderr or done.stdout).split())[-300:]
        raise UserError(f"DVC cannot tell what is stale: {reason or f'it ended with {done.returncode}'}") from None


def stage_environment(root: Path, **own: str) -> dict[str, str]:
    """The environment that stages of a project run in: this Python, the project's own code, and what is given."""
    left_out = ("DVC_ROOT", "DVC_STAGE", "PYTHONSAFEPATH", "PYTHONHOME")
    inherited = {name: value for name, value in os.environ.items() if name not in left_out}
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return inherited | {"PATH": programs, "PYTHONPATH": str(root.absolute()), "PYTHONUNBUFFERED": "1"} | own


def _failure(lines: Sequence[str], waiting: str, code: int) -> StageFailedError:
    """What DVC's last lines say of a failure; `waiting` is the stage that it came to."""
    output = [" ".join(text.split()) for text in lines if text.strip()]
    for number in range(len(output) - 1, -1, -1):
        if found := FAILED.match(output[number]):
            own = int(found["code"]) if found["code"] else None
            reason = output[number - 1] if own is not None and number else output[number].removeprefix("ERROR: ")
            retryable = own not in NOT_RETRYABLE or bool(BUSY.search(" ".join(output)))
            return StageFailedError(found["stage"], reason, retryable=retryable)
    reason = output[-1].removeprefix("ERROR: ") if output else f"dvc repro ended with {code}"
    killed = code in (128 + signal.SIGKILL, 128 + signal.SIGTERM)  # DVC itself; its own errors are 250 and more
    return StageFailedError(waiting, reason, retryable=killed or bool(BUSY.search(" ".join(output))))
