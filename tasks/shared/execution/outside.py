"""What a run reads that neither git nor the pipeline has: a folder of videos, models in directories.

A worktree gets links to what lies in the workspace, at the same relative paths, because paths are part of what stages
record.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.types import RESULTS

PARAMS = (  # may name directories
    "corpus.path", "transcribe.model", "retriever.model", "base.model", "base.processor", "base.adapter",
)  # fmt: skip


def named_paths(params: Mapping[str, Any]) -> list[Path]:
    """Relative paths outside results/ that params (by section) may name."""
    found = set()
    for dotted in PARAMS:
        section, _, key = dotted.partition(".")
        value = params.get(section, {}).get(key)
        if isinstance(value, str) and value and not Path(value).is_absolute() and RESULTS not in Path(value).parents:
            found.add(Path(value))
    return sorted(found)


def climbs(paths: Sequence[Path]) -> int:
    """How many folders above the workspace the paths reach."""
    return max((Path(os.path.normpath(path)).parts.count("..") for path in paths), default=0)


def link(paths: Sequence[Path], workspace: Path, worktree: Path) -> list[str]:
    """Link what the workspace has and the worktree lacks; the paths that were linked.

    Folders are to come before the files in them.
    """
    made = []
    for path in paths:
        source, target = workspace / path, worktree / path
        if path.is_absolute() or target.exists() or not source.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(source.resolve(), target_is_directory=source.is_dir())
        made.append(path.as_posix())
    return made
