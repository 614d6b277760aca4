"""The verification of a state: everything read once, every record compared with every other."""

from __future__ import annotations

from pathlib import Path

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.files import check_files, outputs_of
from tasks.audit.verify.kept import check_copies, check_versions, copies_of
from tasks.audit.verify.locked import check_entries, check_outs, check_records, sources
from tasks.audit.verify.places import Tree
from tasks.audit.verify.rows import check_rows
from tasks.audit.verify.since import check_links, check_videos, note_changes, video_files
from tasks.audit.verify.state import State, of_revision, workspace
from tasks.audit.verify.tracked import check_run
from tasks.audit.verify.trusted import Runs, references, runs_of
from tasks.lineage.dvc import LOCK
from tasks.lineage.model import Execution, Run
from tasks.lineage.records import Record, damaged, read_records
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.tracking import SEAL


def verify(rev: str | None = None, deep: bool = False) -> Answer:
    """Verify the workspace, or what a revision has in DVC's cache.

    Args:
        rev: of git.
        deep: compute the scores again as well.

    Raises UserError where there is nothing to verify.
    """
    answer = Answer("workspace", None)
    state = workspace(answer) if rev is None else of_revision(answer, rev)
    runs = runs_of(state)
    copies = {run.run_id: tree for run in runs.all if (tree := copies_of(run)) is not None}
    _read_all(state, runs, copies)
    found = references(state, answer, runs)
    answer.manifests = {stage: manifest.digest for stage, manifest in found.items()}
    videos = video_files(state, answer, found)
    state.digests.read(place for place, _ in videos.values())
    check_files(state, answer, found)
    check_videos(state, answer, videos)
    if "encode" in found:
        check_rows(state, answer, found["encode"])
    check_outs(state, answer, found, runs)
    check_entries(state, answer)
    check_records(state, answer, found)
    check_links(state, answer, found)
    _check_runs(state, answer, found, runs, copies)
    note_changes(state, answer, found)
    if deep:
        from tasks.audit.verify.deep import check_scores

        check_scores(state, answer, found)
    return answer


def _read_all(state: State, runs: Runs, copies: dict[str, Tree]) -> None:
    """Hash what will be asked for, all at once, so that there is one bar and every processor has work."""
    published = {manifest.digest for manifest in state.executions.values()}
    kept = [copies[run.run_id] for run in runs.all if run.run_id in copies and run.manifest in published]
    code = [] if state.revision else [file for stage in state.stages.values() for file in stage.code]
    outside = [] if state.revision else [
        file
        for locked in state.lock.values()
        for dep in locked.deps
        if not dep.startswith(f"{RESULTS}/")
        for file in sources(state, dep)
    ]  # fmt: skip
    state.digests.read(
        [
            *state.tree.files.values(),
            *(file for tree in kept for file in tree.files.values()),
            *(state.home / file for file in code),
            *outside,
        ]
    )


def _check_runs(state: State, answer: Answer, found: dict[str, Execution], runs: Runs, copies: dict[str, Tree]) -> None:
    """Compare every run that published one of the manifests, or whose outputs say that it must have.

    The latter only where the results are what dvc.lock says: else these runs made other results.
    """
    several: dict[str, dict[str, Run]] = {}
    for stage, manifest in found.items():
        several[stage] = {one.run_id: one for one in runs.published(manifest.digest)}
        if not answer.wrong((RESULTS / stage).as_posix(), f"{LOCK} {stage} outs"):
            several[stage] |= {one.run_id: one for one in runs.made(state, stage)}
    run_ids = [run_id for some in several.values() for run_id in some]
    records = _records(state, answer, run_ids)
    if records is None:
        return
    if without := [stage for stage, some in several.items() if not some and not state.tracking.problem]:
        answer.note("not checked", "MLflow", f"it has no run that published this result of {', '.join(without)}")
    away = []
    for stage, some in several.items():
        answer.runs[stage] = list(some)
        outputs = {
            str(Path(path).relative_to(RESULTS / stage)): entry.sha256
            for path, entry in outputs_of(state, found[stage])[0].items()
        }
        for run_id, run in some.items():
            check_run(state, answer, found[stage], run, records[run_id])
            check_versions(answer, found[stage], run, records[run_id], outputs)
            if run_id in copies:
                check_copies(state, answer, found[stage], run, copies[run_id], outputs)
            elif SEAL in run.tags or run.status == "FINISHED":  # another may have been killed before it kept any
                away.append(run)
    if away and len(away) == len(run_ids):
        answer.note("not checked", "MLflow's copies", f"they are not on this machine, at {away[0].artifacts}")
    else:
        for run in away:
            answer.find("missing", f"MLflow run {run.run_id} artifacts", "its address in MLflow", run.artifacts, None)


def _records(state: State, answer: Answer, run_ids: list[str]) -> dict[str, Record] | None:
    """What MLflow has of the runs; None where it cannot be read, which is a note, or was damaged."""
    if (damage := damaged(state.tracking.uri, state.home)) is not None:
        answer.find("unreadable", *damage)
        return None
    problem = state.tracking.problem
    try:
        records = read_records(state.tracking.uri, state.home, run_ids)
    except OSError as error:
        records, problem = None, str(error)
    if problem:
        answer.note("not checked", "MLflow", problem)
    return records
