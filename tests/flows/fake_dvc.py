"""What flows ask DVC for, answered by the test: which stages are stale, and what comes of each."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks.shared.execution.repro import Outcome

Tick = Callable[[], None]


@dataclass
class FakeDvc:
    """Takes the place of `repro` and `stale` in flows.

    Attributes:
        stale: stages that it says are stale.
        outcomes: what it says of a stage; a stage that is not named ran.
        during: what happens while a stage runs; it gets the project's folder and the tick of the caller.
        lines: what a stage prints.
        asked: the stages that it was asked to bring up to date, in order.
        forced: those that were to run even where nothing changed.
    """

    stale: set[str] = field(default_factory=set)
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    during: dict[str, Callable[[Path, Tick], None]] = field(default_factory=dict)
    lines: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    forced: list[str] = field(default_factory=list)
    limits: dict[str, float | None] = field(default_factory=dict)

    def repro(
        self,
        root: Path,
        stages: Sequence[str],
        environment: Mapping[str, str],
        *,
        line: Callable[[str], None],
        force: bool = False,
        tick: Tick = lambda: None,
        limit: float | None = None,
        held: Collection[int] = (),
    ) -> dict[str, Outcome]:
        """As `tasks.shared.execution.repro.repro`."""
        assert held, "nothing is locked"
        for stage in stages:
            self.asked.append(stage)
            self.limits[stage] = limit
            if force:
                self.forced.append(stage)
            for text in self.lines.get(stage, []):
                line(text)
            self.during.get(stage, lambda root, tick: tick())(root, tick)
        return {stage: self.outcomes.get(stage, "ran") for stage in stages}

    def is_stale(self, root: Path, environment: Mapping[str, str]) -> set[str]:
        """As `tasks.shared.execution.repro.stale`."""
        return set(self.stale)


def write_score(root: Path, value: float) -> None:
    """Change every measure of the tuned system that lies in a project."""
    path = root / "results" / "evaluate" / "metrics.json"
    scores = json.loads(path.read_text())
    scores["systems"]["tuned"] = dict.fromkeys(scores["systems"]["tuned"], value)
    scores["intervals"]["tuned"] = {"nDCG@10": [value - 0.01, value + 0.01]}
    path.unlink()  # DVC may have linked it
    path.write_text(json.dumps(scores))
