"""The question of `audit impact`, answered: what follows, what a change would cost, what is stale already."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.audit.impact import subjects
from tasks.audit.impact.answer import Impact, StageResult
from tasks.audit.impact.change import Change
from tasks.audit.impact.follow import Follower
from tasks.audit.impact.forecast import forecast
from tasks.audit.impact.stale import StaleStage, stale
from tasks.audit.impact.state import State
from tasks.lineage.score import state as state_of
from tasks.shared.runtime.errors import UserError


def impact(videos: Sequence[str], queries: Sequence[str], params: Sequence[str], rev: str | None) -> Impact:
    """What follows from items and params, all taken as one change.

    Raises UserError for what the state does not know, and where its corpus is not to be had.
    """
    lineage = state_of(rev)
    state = State(lineage)
    named = subjects.params(state, params)
    change = Change(
        videos=tuple(subjects.videos(state, videos)),
        queries=tuple(subjects.queries(state, queries)),
        params={one.key: one.new for one in named if not one.same},
    )
    follower = Follower(state)
    told = (
        [follower.video(one) for one in change.videos],
        [follower.query(one) for one in change.queries],
        [follower.param(one) for one in named],
    )
    rerun = {"changed": forecast(state, change)}
    if change.videos and not change.queries and not named:
        rerun["removed"] = forecast(state, Change(videos=change.videos, removed=True))
    notes = follower.notes + _assumed(state, change) + [_rewritten(one.key) for one in named if one.rewritten]
    already: list[StaleStage] | None = None
    if lineage.objects is None:
        try:
            already = stale(lineage.root)
        except UserError as error:
            notes.append(str(error))
    if lineage.tracking.problem:
        notes.append(lineage.tracking.problem)
    reached = {one.stage for stages in rerun.values() for one in stages if one.runs != "no"}
    return Impact(
        state=lineage.name,
        commit=lineage.commit,
        dirty=lineage.dirty,
        videos=told[0],
        queries=told[1],
        params=told[2],
        results=[_result(state, name) for name in lineage.executions if name in reached],
        rerun=rerun,
        stale=already,
        notes=list(dict.fromkeys(notes)),
    )


def _assumed(state: State, change: Change) -> list[str]:
    """On what the forecast rests, and where the world may be otherwise."""
    found = []
    demo = state.params["corpus"]["source"] == "demo"
    if change.videos:
        found.append(
            "changed: taken to have other pictures and another sound; where only the container is another, the video "
            "is decoded and hashed, and nothing after that is made again"
        )
        found.append("removed: its judgments and its row of metadata must go with it, or the corpus stage refuses them")
    if demo and (change.videos or change.queries):
        found.append(
            "the demo draws its own corpus: a change under results/corpus would be undone by `dvc repro`; this is what "
            "the same change of a corpus of one's own would cost"
        )
    if change.params and demo and any(key.startswith("corpus") or key == "run.seed" for key in change.params):
        found.append("another corpus has other items; how many is not known before: the numbers are of this one")
    if change.videos or change.queries:
        found.append("what they become is taken to be new: nothing of it is in the item store or in DVC's run cache")
    if change.params or change.videos or change.queries:
        found.append("code, packages and device are taken to be those that made these results; others reuse nothing")
    return found


def _rewritten(key: str) -> str:
    return (
        f"{key}: the order means nothing, but DVC compares what is written: it would run the stages that name it, "
        "which take all from the item store and publish the same bytes, so that nothing follows"
    )


def _result(state: State, stage: str) -> StageResult:
    lineage = state.lineage
    outs = {out.as_posix() for out in lineage.stages[stage].outs}
    return StageResult(
        stage,
        lineage.executions[stage].digest,
        {path: md5 for path, md5 in lineage.outs.items() if path in outs},
        lineage.runs_of(stage),
    )
