"""What the tables of negatives share: where they come from, lists of lines, and the flags of a negative."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.audit.negatives.likeness import WAYS
from tasks.audit.text import show

if TYPE_CHECKING:
    from tasks.audit.negatives.audit import Origin
    from tasks.audit.negatives.facts import Fact


def show_origin(origin: Origin) -> None:
    """The state, and what names these negatives in manifest, DVC and MLflow."""
    more = f" and {len(origin.runs) - 1} more" if len(origin.runs) > 1 else ""
    run = f"{origin.runs[-1]}{more}" if origin.runs else "-"
    changed = f", {len(origin.changed_files)} changed files" if origin.changed_files else ""
    show(f"{origin.state} at commit {origin.commit or '-'}{changed}")
    show(f"mine: manifest {origin.mine}, DVC {origin.dvc or '-'}, MLflow run {run}")


def show_lines(title: str, lines: list[str]) -> None:
    """A list under a title; nothing where it is empty."""
    if lines:
        show(f"{title}:")
        for line in lines:
            show(f"  {line}")


def flags(fact: Fact) -> str | None:
    """What is suspect about a negative, in words; None where nothing is."""
    found = []
    if fact.judged is not None:
        found.append(f"judged {fact.judged}")
    if fact.band == "above":
        found.append("at or above the weakest positive")
    elif fact.violates:
        found.append("above 95 % of the weakest positive")
    if fact.event == "same":
        found.append("same event")
    for twin in fact.twins:
        found += [f"{WAYS[way].removesuffix(' of the video file')} as {twin.video_id}" for way in twin.ways]
    return ", ".join(found) or None
