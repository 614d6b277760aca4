"""The answer of `audit impact`: what follows, what a change would cost, what is stale already; as people read it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.audit.impact.change import Change, Param, find_params, find_queries, find_videos
from tasks.audit.impact.checkpoints import trainings
from tasks.audit.impact.forecast import Made, StageForecast, forecast
from tasks.audit.impact.items import ItemImpact, follow
from tasks.audit.rows import cell, rows
from tasks.audit.text import Table, as_json, lines, short, show, table
from tasks.audit.trace.view import item_tree
from tasks.lineage.dvc import stale_stages
from tasks.lineage.lineage import Lineage
from tasks.lineage.score import state as state_of
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.runtime.errors import UserError


def answer(chosen: argparse.Namespace) -> int:
    """Print what follows. Raises UserError where nothing is named, or something that there is not."""
    if not (chosen.videos or chosen.query or chosen.param):
        raise UserError("name a VIDEO, --query QUERY or --param KEY[=VALUE]; `reeltrace audit impact --help` says more")
    found = impact(chosen.videos, chosen.query, chosen.param, chosen.rev)
    print(as_json(found)) if chosen.json else _show(found)
    return 0


def impact(videos: Sequence[str], queries: Sequence[str], params: Sequence[str], rev: str | None) -> dict[str, Any]:
    """What follows from items and params, all taken as one change.

    `results` are of the stages that it reaches; `rerun` is what `dvc repro` would do if the items are `changed`, and if
    videos are `removed`; `stale` what runs anyway, and why: None where that is unknown, or of another state.

    Raises UserError for what the state does not know, and where its corpus is not to be had.
    """
    lineage = state_of(rev)
    named = find_params(lineage, params)
    changed = [one for one in named if not one.same]
    change = Change(find_videos(lineage, videos), False, find_queries(lineage, queries), changed)
    notes: list[str] = []
    trained = trainings(lineage) if videos or queries else []
    items = [[follow(lineage, one, trained, notes) for one in of] for of in (change.videos, change.queries)]
    rerun = {"changed": forecast(lineage, change)}
    if videos and not (queries or params):
        rerun["removed"] = forecast(lineage, Change(change.videos, removed=True))
    stale, problem = stale_stages(lineage.root) if lineage.objects is None else (None, None)
    reached = {one.stage for stages in rerun.values() for one in stages if one.runs != "no"}
    notes += [*_assumed(lineage, change, named), problem or "", lineage.tracking.problem or ""]
    return {
        "state": lineage.name,
        "commit": lineage.commit,
        "dirty": lineage.dirty,
        "videos": items[0],
        "queries": items[1],
        "params": named,
        "results": [
            {"stage": name, "manifest": one.digest, "dvc": lineage.outs_of(name), "runs": lineage.runs_of(name)}
            for name, one in lineage.executions.items()
            if name in reached
        ],
        "rerun": rerun,
        "stale": None if problem else stale,
        "notes": list(filter(None, dict.fromkeys(notes))),
    }


def _assumed(lineage: Lineage, change: Change, named: Sequence[Param]) -> Iterator[str]:
    """On what the forecast rests, and where things may be otherwise."""
    if change.videos:
        yield "changed: another picture and sound; where only the container is another, nothing after decoding is made"
        yield "removed: its judgments and its row of metadata must go with it, or the corpus stage refuses them"
    if (change.videos or change.queries) and lineage.param("corpus.source") == "demo":
        yield "the demo draws its own corpus, so `dvc repro` undoes the change: the costs are those of one's own corpus"
    if change.params:
        yield "where DVC's run cache has the very same run of before, it restores its outputs without running"
    if change.params or change.videos or change.queries:
        yield "items that failed before are tried again, and count among those that are made"
    for one in named:
        if one.same and one.new != one.present:
            yield f"{one.key}: DVC compares the order too: the stages that name it would publish the same bytes again"


def _show(found: dict[str, Any]) -> None:
    commit = f", commit {short(found['commit'])}" if found["commit"] else ", no commit of git"
    dirty = f", {len(found['dirty'])} tracked files differ from it" if found["dirty"] else ""
    show(f"{found['state']}{commit}{dirty}", map(_item, [*found["videos"], *found["queries"]]))
    show(rows("params", map(_param, found["params"])))
    for one in found["params"]:
        if one.same:
            known = "nothing would run for it" if one.new == one.present else "only the order is another"
            show(f"{one.key}: {_value(one.new)} is its present value: {known}")
        if not one.stages:
            show(f"{one.key}: no stage of dvc.yaml names it: a change makes nothing stale")
    show(_reruns(found["rerun"]))
    if found["stale"]:
        stale = [f"{stage}: {'; '.join(why)}" for stage, why in found["stale"].items()]
        show(lines("Stale already, whatever is changed", stale))
    elif found["stale"] is None:
        show("What is stale already is not told here.")
    else:
        show("Without that change nothing is stale: `dvc status` is clean.")
    show(f"- {note}" for note in found["notes"])


def _item(one: ItemImpact) -> Iterator[Any]:
    item, video = one.item, isinstance(one.item, Video)
    verb, others = ("show", "queries") if video else ("ask", "videos")
    yield rows("video" if video else "query", [item])
    yield item_tree(one.lineage) if one.lineage else None
    yield rows(f"judged {others}", [{"id": other, "relevance": value} for other, value in one.judged.items()])
    if item.split == "train":
        fates = Counter(f"dropped as {each['dropped']}" if each["dropped"] else "hard negatives" for each in one.mined)
        yield f"mining met it: {cell(fates) or 'never'}"
        yield rows("met", one.mined)
        times = Counter[str]()
        for each in one.exposures or ():
            times[each.role] += len(each.steps)
        in_batch = sum(each.others for each in one.exposures or ())
        shown = ", ".join(f"{count} times {role}" for role, count in times.items()) or "never"
        told = f"training {verb}s it: {shown}; {in_batch} times an in-batch negative of other queries"
        yield "what training showed is not recorded" if one.exposures is None else told
        yield rows("shown", one.exposures or ())
    counts = [each.exposures for each in one.checkpoints]
    unknown = f"; of {counts.count(None)} it is unknown" if None in counts else ""
    yield f"{sum(map(bool, counts))} of {len(counts)} trainings {verb} it{unknown}"
    yield rows("trainings", one.checkpoints)
    if item.split == "test":
        yield rows("vectors", [{"system": system, "sha256": digest} for system, digest in one.vectors.items()])
        headline = {
            query: {name: of[HEADLINE] for name, of in systems.items()} for query, systems in one.scores.items()
        }
        places = [each | {HEADLINE: headline.get(each["query_id"])} for each in one.places]
        relevant = sum(each["relevance"] > 0 for each in one.places)
        yield rows(f"ranks: with {relevant} relevant {others}, and {len(places) - relevant} others", places)
        if not video:
            scored = [(name, values) for systems in one.scores.values() for name, values in systems.items()]
            yield rows("what it scores", [{"system": name, **values} for name, values in scored])
    yield rows("mean scores that depend on it", one.means) or "no mean score depends on it"


def _param(one: Param) -> dict[str, Any]:
    present = as_read(one.present, one.key)
    return {
        "param": one.key,
        "present": _value(one.present),
        "new": _value(one.new) if one.given else "not said",
        "results were made with": {stage: _value(was) for stage, was in one.recorded.items() if was != present},
        "named by": [f"{stage} ({', '.join(entries)})" for stage, entries in one.stages.items()],
        "all that follows": one.downstream,
    }


def _value(value: Any) -> str:
    return "null" if value is None else cell(value)


def _reruns(rerun: dict[str, list[StageForecast]]) -> Table:
    columns = ["stage", "runs", *(f"makes if {what}" for what in rerun), "follows", "why"]
    found = []
    for forecasts in zip(*rerun.values(), strict=True):
        runs, reasons = ({getattr(one, what): None for one in forecasts} for what in ("runs", "reason"))
        makes = [", ".join(map(_made, one.makes)) for one in forecasts]
        paths = [Path(path) for one in forecasts for path in one.because]
        follows = {path.parts[1] if path.parts[0] == RESULTS.name else str(path): None for path in paths}
        found.append([forecasts[0].stage, " / ".join(runs), *makes, ", ".join(follows), "; ".join(reasons)])
    return table("what `dvc repro` would do", columns, found)


def _made(one: Made) -> str:
    if one.most is None:
        return f"an unknown number of {one.what} (now {one.of})"
    return f"{'' if one.exact or not one.most else 'at most '}{one.most} of {one.of} {one.what}"
