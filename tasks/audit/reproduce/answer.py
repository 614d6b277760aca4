"""The answer: whether the bytes, or at least the numbers, come out again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from tasks.audit.reproduce.compare import StageResult
from tasks.audit.reproduce.environment import Difference
from tasks.audit.reproduce.scores import ScoreResult

Outcome = Literal["identical bytes", "identical score", "differs", "did not run through"]
EXIT: dict[Outcome, int] = {"identical bytes": 0, "identical score": 0, "differs": 1, "did not run through": 2}


@dataclass(frozen=True)
class Reproduction:
    """What was run and how it compares.

    Attributes:
        state, target: what was reproduced: a state of the pipeline, and the last stage of it that was run.
        commit, why: that was checked out, and how it was found.
        params: recorded, and those of the worktree, with their digest; params_changed: where the commit has others.
        external: files from outside the pipeline whose digests were checked; linked: paths that were linked.
        score: None where the last stage makes none.
        seconds: of the whole run.
        worktree, removal: where the worktree is kept, and the command that removes it; None where it is gone.
    """

    outcome: Outcome
    state: str
    target: str
    commit: str
    why: str
    params: dict[str, Any]
    params_sha256: str
    params_changed: dict[str, list[Any]]
    stages: list[StageResult]
    score: ScoreResult | None
    environment: list[Difference]
    external: int
    linked: list[str]
    notes: list[str]
    seconds: float
    worktree: str | None = None
    removal: str | None = None


def outcome(code: int, stages: list[StageResult], score: ScoreResult | None) -> Outcome:
    """What the comparisons come to; `code` is DVC's exit code."""
    again = [one for one in stages if one.verdict != "taken as recorded"]
    if code or any(one.verdict == "not made" for one in again):
        return "did not run through"
    if all(one.verdict == "identical bytes" for one in again):
        return "identical bytes"
    return "identical score" if score is not None and score.identical else "differs"
