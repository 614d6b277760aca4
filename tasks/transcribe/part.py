"""The results of one source of text: speech, or on-screen text."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tasks.shared.execution.failures import Failure

T = TypeVar("T")


@dataclass(frozen=True)
class Part(Generic[T]):
    """Results by video id, the failures, and how many items there were and came from the item store."""

    found: dict[str, T] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reused: int = 0
    items: int = 0
