"""What one way of finding a video's words has found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tasks.shared.execution.failures import Failure

T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """Findings by video id, the failures, and of how many items of work how many came from the item store."""

    found: dict[str, T] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0
    items: int = 0
