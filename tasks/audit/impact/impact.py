"""The question of `audit impact`, answered: what follows, what a change would cost, what is stale already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tasks.audit.impact.change import Change, Param, covers, find_params, find_queries, find_videos, params_of
from tasks.audit.impact.forecast import StageForecast, forecast
from tasks.audit.impact.items import Follower, ItemImpact
from tasks.lineage.dvc import stale_stages
from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Run
from tasks.lineage.score import state as state_of
from tasks.shared.runtime.errors import UserError


@dataclass(frozen=True)
class ParamImpact:
    """What a param decides.

    Attributes:
        present: its value in params.yaml; recorded: by stage, the value its results were made with.
        new: the value it would get; None where none was given, which `given` tells.
        same: whether that is the present one, so that nothing would run.
        stages: by stage, the entries of dvc.yaml that name it.
        downstream: those stages and all that follow from them.
    """

    key: str
    present: Any
    recorded: dict[str, Any]
    given: bool
    new: Any
    same: bool
    stages: dict[str, list[str]]
    downstream: list[str]


@dataclass(frozen=True)
class StageResult:
    """What a stage published that is in reach of the change: digest of its manifest, DVC's md5s, runs in MLflow."""

    stage: str
    manifest: str
    dvc: dict[str, str]
    runs: list[Run]


@dataclass(frozen=True)
class Impact:
    """The answer.

    Attributes:
        state: what was looked at; commit and dirty: its commit of git, and tracked files that differ from it.
        results: of the stages that a change would reach.
        rerun: the forecast of `dvc repro`, by what is done to the items: `changed`, and for videos `removed`.
        stale: what DVC would run already, without that change, and why; None where that cannot be told, or of another
            state.
        notes: what cannot be told, and on what the forecast rests.
    """

    state: str
    commit: str | None
    dirty: list[str]
    videos: list[ItemImpact]
    queries: list[ItemImpact]
    params: list[ParamImpact]
    results: list[StageResult]
    rerun: dict[str, list[StageForecast]]
    stale: Mapping[str, Sequence[str]] | None
    notes: list[str]


def impact(videos: Sequence[str], queries: Sequence[str], params: Sequence[str], rev: str | None) -> Impact:
    """What follows from items and params, all taken as one change.

    Raises UserError for what the state does not know, and where its corpus is not to be had.
    """
    lineage = state_of(rev)
    named = find_params(params_of(lineage), params)
    change = Change(
        find_videos(lineage, videos),
        queries=find_queries(lineage, queries),
        params=[one for one in named if not one.same],
    )
    follower = Follower(lineage)
    found = (
        [follower.follow(one) for one in change.videos],
        [follower.follow(one) for one in change.queries],
        [_param(lineage, one) for one in named],
    )
    rerun = {"changed": forecast(lineage, change)}
    if change.videos and not change.queries and not named:
        rerun["removed"] = forecast(lineage, Change(change.videos, removed=True))
    stale, problem = stale_stages(lineage.root) if lineage.objects is None else (None, None)
    reached = {one.stage for stages in rerun.values() for one in stages if one.runs != "no"}
    notes = [*follower.notes, *_assumed(lineage, change, named), problem, lineage.tracking.problem]
    return Impact(
        state=lineage.name,
        commit=lineage.commit,
        dirty=lineage.dirty,
        videos=found[0],
        queries=found[1],
        params=found[2],
        results=[
            StageResult(name, execution.digest, lineage.outs_of(name), lineage.runs_of(name))
            for name, execution in lineage.executions.items()
            if name in reached
        ],
        rerun=rerun,
        stale=None if problem else stale,
        notes=list(dict.fromkeys(note for note in notes if note)),
    )


def _param(lineage: Lineage, param: Param) -> ParamImpact:
    """The stages that a param decides, and all that follow from them."""
    entries = {name: [one for one in spec.params if covers(one, param.key)] for name, spec in lineage.stages.items()}
    stages = {name: found for name, found in entries.items() if found}
    recorded = {}
    for name in stages:
        try:
            recorded[name] = lineage.execution(name).param(param.key)
        except (UserError, KeyError, TypeError):  # not made yet, or a whole section of which it reads one key
            continue
    return ParamImpact(
        key=param.key,
        present=param.present,
        recorded=recorded,
        given=param.given,
        new=param.new,
        same=param.same,
        stages=stages,
        downstream=lineage.downstream(*stages),
    )


def _assumed(lineage: Lineage, change: Change, named: Sequence[Param]) -> list[str]:
    """On what the forecast rests, and where things may be otherwise."""
    found = []
    if change.videos:
        found += [
            "changed: taken to have another picture and another sound; where only the container is another, the video "
            "is decoded and hashed, and nothing after that is made again",
            "removed: its judgments and its row of metadata must go with it, or the corpus stage refuses them",
        ]
    if (change.videos or change.queries) and lineage.param("corpus.source") == "demo":
        found.append(
            "the demo draws its own corpus: a change under results/corpus would be undone by `dvc repro`; this is what "
            "the same change of a corpus of one's own would cost"
        )
    if change.params:
        found.append("where DVC's run cache has the very same run of before, it restores its outputs without running")
    if change.params or change.videos or change.queries:
        found.append("items that failed before are tried again, and count among those that are made")
    found += [
        f"{one.key}: the order means nothing, but DVC compares what is written: it would run the stages that name it, "
        "which take all from the item store and publish the same bytes, so that nothing follows"
        for one in named
        if one.same and one.new != one.present
    ]
    return found
