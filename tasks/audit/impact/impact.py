"""The question of `audit impact`, answered: what follows, what a change would cost, what is stale already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.audit.impact.change import Change, Param, find_params, find_queries, find_videos
from tasks.audit.impact.checkpoints import trainings
from tasks.audit.impact.forecast import StageForecast, forecast
from tasks.audit.impact.items import ItemImpact, follow
from tasks.lineage.dvc import stale_stages
from tasks.lineage.lineage import Lineage
from tasks.lineage.score import state as state_of


@dataclass(frozen=True)
class Impact:
    """The answer."""

    state: str
    commit: str | None
    dirty: list[str]  # tracked files that differ from the commit
    videos: list[ItemImpact]
    queries: list[ItemImpact]
    params: list[Param]
    results: list[dict[str, Any]]  # of stages that a change reaches: manifest's sha256, DVC's md5s, runs in MLflow
    rerun: dict[str, list[StageForecast]]  # of `dvc repro`, by what is done to items: `changed`; of videos `removed`
    stale: Mapping[str, Sequence[str]] | None  # what runs anyway, and why; None where unknown, or of another state
    notes: list[str]


def impact(videos: Sequence[str], queries: Sequence[str], params: Sequence[str], rev: str | None) -> Impact:
    """What follows from items and params, all taken as one change.

    Raises UserError for what the state does not know, and where its corpus is not to be had.
    """
    lineage = state_of(rev)
    named = find_params(lineage, params)
    changed = [one for one in named if not one.same]
    change = Change(find_videos(lineage, videos), False, find_queries(lineage, queries), changed)
    notes: list[str] = []
    trained = trainings(lineage) if videos or queries else []
    video_impacts, query_impacts = (
        [follow(lineage, one, trained, notes) for one in items] for items in (change.videos, change.queries)
    )
    rerun = {"changed": forecast(lineage, change)}
    if videos and not (queries or params):
        rerun["removed"] = forecast(lineage, Change(change.videos, removed=True))
    stale, problem = stale_stages(lineage.root) if lineage.objects is None else (None, None)
    reached = {one.stage for stages in rerun.values() for one in stages if one.runs != "no"}
    results = [
        {"stage": name, "manifest": one.digest, "dvc": lineage.outs_of(name), "runs": lineage.runs_of(name)}
        for name, one in lineage.executions.items()
        if name in reached
    ]
    notes += [*_assumed(lineage, change, named), problem or "", lineage.tracking.problem or ""]
    return Impact(
        state=lineage.name,
        commit=lineage.commit,
        dirty=lineage.dirty,
        videos=video_impacts,
        queries=query_impacts,
        params=named,
        results=results,
        rerun=rerun,
        stale=None if problem else stale,
        notes=list(filter(None, dict.fromkeys(notes))),
    )


def _assumed(lineage: Lineage, change: Change, named: Sequence[Param]) -> Iterator[str]:
    """On what the forecast rests, and where things may be otherwise."""
    if change.videos:
        yield (
            "changed: taken to have another picture and another sound; where only the container is another, the video "
            "is decoded and hashed, and nothing after that is made again"
        )
        yield "removed: its judgments and its row of metadata must go with it, or the corpus stage refuses them"
    if (change.videos or change.queries) and lineage.param("corpus.source") == "demo":
        yield (
            "the demo draws its own corpus: a change under results/corpus would be undone by `dvc repro`; this is what "
            "the same change of a corpus of one's own would cost"
        )
    if change.params:
        yield "where DVC's run cache has the very same run of before, it restores its outputs without running"
    if change.params or change.videos or change.queries:
        yield "items that failed before are tried again, and count among those that are made"
    for one in named:
        if one.same and one.new != one.present:
            yield (
                f"{one.key}: the order means nothing, but DVC compares what is written: it would run the stages that "
                "name it, which take all from the item store and publish the same bytes, so that nothing follows"
            )
