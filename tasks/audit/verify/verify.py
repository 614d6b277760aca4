"""The verification of a state: every file read once, every record compared with every other record of the same thing.

A disagreement is a finding that names both places. Which of them is right is not decided.
"""

from __future__ import annotations

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.files import check_files, check_links, check_videos, note_changes
from tasks.audit.verify.lock import check_lock
from tasks.audit.verify.rows import check_index, check_items
from tasks.audit.verify.runs import check_runs
from tasks.audit.verify.state import opened


def verify(rev: str | None = None, deep: bool = False) -> Answer:
    """Verify the workspace, or what a revision has in DVC's cache.

    Args:
        rev: of git.
        deep: compute rankings and scores again as well.

    Raises UserError where there is nothing to verify.
    """
    with opened(rev) as state:
        check_files(state)
        state.answer.manifests = {stage: one.digest for stage, one in state.lineage.executions.items()}
        check_videos(state)
        check_index(state)
        check_lock(state)
        check_links(state)
        check_runs(state)
        check_items(state)
        note_changes(state)
        if deep:
            from tasks.audit.verify.deep import check_scores

            check_scores(state)
        return state.answer
