"""The verification of a state: every file read once, every record compared with every other record of the same thing.

A disagreement is a finding that names both places. Which of them is right is not decided.
"""

from __future__ import annotations

from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.files import check_files, check_links, check_videos, note_changes, video_files
from tasks.audit.verify.lock import check_lock, check_same_work, sources
from tasks.audit.verify.rows import check_index, check_items
from tasks.audit.verify.runs import check_runs, runs_of
from tasks.audit.verify.state import open_revision, open_workspace
from tasks.shared.artifacts.types import RESULTS


def verify(rev: str | None = None, deep: bool = False) -> Answer:
    """Verify the workspace, or what a revision has in DVC's cache.

    Args:
        rev: of git.
        deep: compute rankings and scores again as well.

    Raises UserError where there is nothing to verify.
    """
    answer = Answer("workspace", None)
    state = open_workspace(answer) if rev is None else open_revision(answer, rev)
    lineage = state.lineage
    answer.state, answer.commit = lineage.name, lineage.commit
    answer.manifests = {stage: one.digest for stage, one in lineage.executions.items()}
    runs, videos = runs_of(state), video_files(state)
    wanted = [*state.files.values(), *(file for one in runs for file in (one.copies or {}).values())]
    wanted += [place for place, _ in videos.values()]
    if not state.revision:
        wanted += [file for stage in lineage.stages.values() for file in stage.code]
        deps = {dep for locked in lineage.lock.values() for dep in locked.deps}
        wanted += [file for dep in deps if not dep.startswith(f"{RESULTS}/") for file in sources(dep)]
    state.digests.read(map(Path, wanted))  # all at once: one bar, and work for every processor
    check_files(state, answer)
    check_videos(state, answer, videos)
    if "encode" in lineage.executions:
        check_index(state, answer)
    check_lock(state, answer)
    check_same_work(state, answer)
    check_links(state, answer)
    check_runs(state, answer, runs)
    check_items(state, answer)
    note_changes(state, answer)
    if deep:
        from tasks.audit.verify.deep import check_scores

        check_scores(state, answer)
    return answer
