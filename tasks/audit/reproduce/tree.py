"""The clean worktree of a reproduction: its own store, cache and tracking, so that nothing is found, only made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.audit.text import size
from tasks.shared.execution.items import store_folder
from tasks.shared.execution.worktree import Worktree, worktree
from tasks.shared.runtime.errors import UserError

PREFIX = "reeltrace-reproduce-"
TRACKING = "sqlite:///mlflow.db"  # below the worktree, as its programs see it
OWN_CACHE = "[cache]\n    dir = cache\n"  # as seen from .dvc/


@contextmanager
def clean_tree(commit: str, needed: int, climbs: int = 0, workspace: Path = Path()) -> Iterator[Worktree]:
    """A clean checkout of a commit in a temporary folder, which goes with it unless it is to be kept.

    Args:
        needed: bytes that the run is expected to write.
        climbs: how many folders above the project its relative paths reach; they stay in the temporary folder.

    Raises UserError where git refuses, and where no disk has the room.
    """
    with worktree(commit, _place(needed), PREFIX, OWN_CACHE, climbs=climbs, workspace=workspace) as tree:
        yield tree


def _place(needed: int) -> Path:
    """The folder for temporary files, or where that is too small the item store's."""
    places = [Path(tempfile.gettempdir()), store_folder().absolute()]
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(place).free >= needed:
            return place
    raise UserError(
        f"about {size(needed)} of free disk are needed, and neither {places[0]} nor {places[1]} has them; make room or "
        "set TMPDIR to a folder on another disk"
    )
