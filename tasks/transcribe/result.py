"""What one source of text gives: speech, or on-screen text."""

from __future__ import annotations

from dataclasses import dataclass, field

from tasks.shared.artifacts.transcripts import Transcript
from tasks.shared.execution.failures import Failure


@dataclass(frozen=True)
class StepResult:
    """Transcripts by video id, the failures, and how many items there were and how many came from the item store."""

    found: dict[str, Transcript] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0
    items: int = 0
