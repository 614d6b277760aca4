"""The impact as people read it: a tree for every item, then what `dvc repro` would do."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.impact.forecast import Made, StageForecast
from tasks.audit.impact.impact import Impact, ParamImpact, impact
from tasks.audit.impact.items import Candidate, ItemImpact, Mean, Place
from tasks.audit.text import Table, Tree, as_json, lines, plain, short, shortened, show, table, tree
from tasks.audit.trace.view import item_tree
from tasks.shared.artifacts.corpus import Query, Video
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import as_read
from tasks.shared.runtime.errors import UserError

MOST = 8  # rows of a kind that a tree shows; JSON has all
WORDS = 90  # characters of a text


def answer(chosen: argparse.Namespace) -> int:
    """Print what follows. Raises UserError where nothing is named, or something that there is not."""
    if not (chosen.videos or chosen.query or chosen.param):
        raise UserError("name a VIDEO, --query QUERY or --param KEY[=VALUE]; `reeltrace audit impact --help` says more")
    found = impact(chosen.videos, chosen.query, chosen.param, chosen.rev)
    if chosen.json:
        print(as_json(found))
    else:
        show_impact(found)
    return 0


def show_impact(found: Impact) -> None:
    """Print the whole answer."""
    commit = f", commit {short(found.commit)}" if found.commit else ", no commit of git"
    dirty = f", {len(found.dirty)} tracked files differ from it" if found.dirty else ""
    show(f"{found.state}{commit}{dirty}")
    show(map(_item, [*found.videos, *found.queries]), map(_param, found.params), _reruns(found))
    if found.stale is None:
        show("What is stale already is not told here.")
    elif not found.stale:
        show("Without that change nothing is stale: `dvc status` is clean.")
    else:
        stale = [f"{stage}: {'; '.join(why)}" for stage, why in found.stale.items()]
        show(lines("Stale already, whatever is changed", stale))
    show(f"- {note}" for note in found.notes)


def _item(one: ItemImpact) -> Tree:
    item = one.item
    judged = [f"{name}: relevance {value}" for name, value in one.judged.items()]
    if isinstance(item, Video):
        found = tree(f"video {item.video_id} ({_listed([item.split, item.language, item.event])})")
        found.children += [item_tree(one.lineage)] if one.lineage else []
        found.add(f"judged for {len(judged)} {item.split} queries", _some(judged))
    else:
        about = _listed([item.split, item.language, item.type, item.event])
        found = tree(f"query {item.query_id} ({about}): {shortened(item.text, WORDS)}")
        found.add(f"{len(judged)} judged videos", _some(judged))
    if item.split == "train":
        _training(found, one)
    shown = Counter(each.shown for each in one.checkpoints)
    unknown = f"; of {shown['unknown']} it is unknown" if shown["unknown"] else ""
    verb = "show" if isinstance(item, Video) else "ask"
    trainings = f"{shown['yes']} of {len(one.checkpoints)} trainings {verb} it{unknown}"
    found.add(trainings, map(_checkpoint, one.checkpoints))
    if item.split == "test":
        found.add("vectors", [f"{system}: sha256 {short(digest)}" for system, digest in one.vectors.items()])
        for system, values in one.scores.items():
            found.add(f"{system}: " + ", ".join(f"{name} {value:.4f}" for name, value in values.items()))
        relevant = [_place(each, item) for each in one.places if each.relevance > 0]
        others = [_place(each, item) for each in one.places if each.relevance <= 0]
        if isinstance(item, Video):
            found.add(f"relevant for {len(relevant)} test queries", _some(relevant))
            found.add(f"in the first ten of {len(others)} more", _some(others))
        else:
            found.add("ranks of its judged videos", _some([*relevant, *others]))
    found.add("mean scores that depend on it" if one.means else "no mean score depends on it", map(_mean, one.means))
    return found


def _training(found: Tree, one: ItemImpact) -> None:
    """What mining and training made of a training video or query."""
    kept = [f"{_other(each, one.item)}: rank {each.rank}, score {each.score:.4f}" for each in one.mined
            if not each.dropped]  # fmt: skip
    dropped = Counter(each.dropped for each in one.mined if each.dropped)
    reasons = ", ".join(f"{count} as {reason}" for reason, count in sorted(dropped.items())) or "none"
    is_video = isinstance(one.item, Video)
    mined = f"hard negative of {len(kept)} training queries" if is_video else f"{len(kept)} hard negatives of it"
    found.add(f"{mined}; dropped: {reasons}", _some(kept))
    verb = "shows it" if is_video else "asks it"
    if not one.exposures:
        found.add(f"training never {verb}" if one.exposures is not None else "what training showed is not recorded")
        return
    times = Counter[str]()
    for each in one.exposures:
        times[each.role] += len(each.steps)
    roles = ", ".join(f"{count} times {role}" for role, count in times.items())
    others = sum(each.others for each in one.exposures)
    steps = [f"{_other(each, one.item)}: {each.role} in steps {', '.join(_some(each.steps))}" for each in one.exposures]
    found.add(f"training {verb}: {roles}; {others} times an in-batch negative of other queries", _some(steps))


def _other(one: Candidate | Exposure | Place, item: Video | Query) -> str:
    """The query that a video goes with, or the video of a query."""
    return one.query_id if isinstance(item, Video) else one.video_id


def _param(one: ParamImpact) -> Tree:
    found = tree(f"param {one.key} = {_value(one.present)}")
    if one.same:
        known = "nothing would run for it" if one.new == one.present else "only the order is another"
        found.add(f"{_value(one.new)} is its present value: {known}")
    elif one.given:
        found.add(f"would become {_value(one.new)}")
    present = as_read(one.present, one.key)
    others = [f"{stage}: {_value(value)}" for stage, value in one.recorded.items() if value != present]
    if others:
        found.add("the results here were made with another value", others)
    if one.stages:
        found.add("stages that name it", [f"{stage}: {', '.join(names)}" for stage, names in one.stages.items()])
        found.add(f"all that follows: {', '.join(one.downstream)}")
    else:
        found.add("no stage of dvc.yaml names it: a change makes nothing stale")
    return found


def _checkpoint(one: Checkpoint) -> str:
    shown = {"yes": f"yes, {one.exposures} pairs", "no": "no", "unknown": f"unknown ({one.why})"}[one.shown]
    adapter = f"adapter {short(one.adapter)}, " if one.adapter else ""
    versions = f", model version {', '.join(one.versions)}" if one.versions else ""
    runs = ", ".join(run.run_id for run in one.runs) or "not in MLflow"
    return f"{shown}: {'this state, ' if one.here else ''}{adapter}manifest {short(one.manifest)}{versions}, run {runs}"


def _place(one: Place, item: Video | Query) -> str:
    ranks = ", ".join(f"{system} {plain(rank)}" for system, rank in one.ranks.items())
    scores = ", ".join(f"{system} {value:.3f}" for system, value in one.scores.items())
    return f"{_other(one, item)}: rank {ranks}" + (f"; nDCG@10 {scores}" if scores else "")


def _mean(one: Mean) -> str:
    queries = f", by {one.queries} of {one.of} queries" if one.queries else ""
    return f"{one.system}: {one.measure} {one.value:.4f}{queries}" + ", through the trained weights" * one.training


def _reruns(found: Impact) -> Table:
    columns = ["stage", "runs", *(f"makes if {what}" for what in found.rerun), "follows", "why"]
    rows = []
    for forecasts in zip(*found.rerun.values(), strict=True):
        runs, reasons = dict.fromkeys(one.runs for one in forecasts), dict.fromkeys(one.reason for one in forecasts)
        makes = [", ".join(map(_made, one.makes)) for one in forecasts]
        rows.append([forecasts[0].stage, " / ".join(runs), *makes, _because(forecasts), "; ".join(reasons)])
    return table("what `dvc repro` would do", columns, rows)


def _made(one: Made) -> str:
    if one.most is None:
        return f"an unknown number of {one.what} (now {one.of})"
    return f"{'' if one.exact or not one.most else 'at most '}{one.most} of {one.of} {one.what}"


def _because(forecasts: Sequence[StageForecast]) -> str:
    """Params, and of what lies in results/ the stages that make it."""
    paths = [Path(path) for one in forecasts for path in one.because]
    return _listed(dict.fromkeys(path.parts[1] if path.parts[0] == RESULTS.name else str(path) for path in paths))


def _some(leaves: Sequence[Any]) -> list[str]:
    """As many as people read."""
    more = [f"and {len(leaves) - MOST} more (--json has all)"] if len(leaves) > MOST else []
    return [*map(str, leaves[:MOST]), *more]


def _listed(parts: Iterable[str | None]) -> str:
    return ", ".join(part for part in parts if part)


def _value(value: Any) -> str:
    return shortened("null" if value is None else value if isinstance(value, str) else repr(value), WORDS)
