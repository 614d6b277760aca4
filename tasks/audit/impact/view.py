"""The impact as people read it: a tree for every item, then what `dvc repro` would do."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from tasks.audit.impact.change import Param
from tasks.audit.impact.checkpoints import Checkpoint
from tasks.audit.impact.forecast import Made, StageForecast
from tasks.audit.impact.impact import Impact, impact
from tasks.audit.impact.items import ItemImpact, Place
from tasks.audit.text import Table, Tree, as_json, lines, plain, short, shortened, show, table, tree
from tasks.audit.trace.view import item_tree
from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.scores import HEADLINE
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
    print(as_json(found)) if chosen.json else _show(found)
    return 0


def _show(found: Impact) -> None:
    commit = f", commit {short(found.commit)}" if found.commit else ", no commit of git"
    dirty = f", {len(found.dirty)} tracked files differ from it" if found.dirty else ""
    show(f"{found.state}{commit}{dirty}")
    show(map(_item, [*found.videos, *found.queries]), map(_param, found.params), _reruns(found.rerun))
    if found.stale is None:
        show("What is stale already is not told here.")
    elif not found.stale:
        show("Without that change nothing is stale: `dvc status` is clean.")
    else:
        stale = [f"{stage}: {'; '.join(why)}" for stage, why in found.stale.items()]
        show(lines("Stale already, whatever is changed", stale))
    show(f"- {note}" for note in found.notes)


def _item(one: ItemImpact) -> Tree:
    """Where a video goes with queries, a query goes with videos."""
    item = one.item
    if isinstance(item, Video):
        found = tree(f"video {item.video_id} ({_listed([item.split, item.language, item.event])})")
        found.children += [item_tree(one.lineage)] if one.lineage else []
        others, other, mined, verb = "queries", "query_id", "hard negative of training queries", "show"
    else:
        about = _listed([item.split, item.language, item.type, item.event])
        found = tree(f"query {item.query_id} ({about}): {shortened(item.text, WORDS)}")
        others, other, mined, verb = "videos", "video_id", "its hard negatives", "ask"
    judged = [f"{name}: relevance {value}" for name, value in one.judged.items()]
    found.add(f"judged {others}: {len(judged)}", _some(judged))
    if item.split == "train":
        kept = [each for each in one.mined if not each.dropped]
        dropped = Counter(each.dropped for each in one.mined if each.dropped)
        reasons = _listed(f"{count} as {reason}" for reason, count in sorted(dropped.items())) or "none"
        rows = [f"{getattr(each, other)}: rank {each.rank}, score {each.score:.4f}" for each in kept]
        found.add(f"{mined}: {len(kept)}; dropped: {reasons}", _some(rows))
        times = Counter[str]()
        for each in one.exposures or ():
            times[each.role] += len(each.steps)
        shown = _listed(f"{count} times {role}" for role, count in times.items()) or "never"
        in_batch = sum(each.others for each in one.exposures or ())
        rows = [
            f"{getattr(each, other)}: {each.role} in steps {', '.join(_some(each.steps))}"
            for each in one.exposures or ()
        ]
        known = f"training {verb}s it: {shown}; {in_batch} times an in-batch negative of other queries"
        found.add("what training showed is not recorded" if one.exposures is None else known, _some(rows))
    counts = [each.exposures for each in one.checkpoints]
    unknown = f"; of {counts.count(None)} it is unknown" if None in counts else ""
    trained = f"{sum(map(bool, counts))} of {len(counts)} trainings {verb} it{unknown}"
    found.add(trained, map(_checkpoint, one.checkpoints))
    if item.split == "test":
        found.add("vectors", [f"{system}: sha256 {short(digest)}" for system, digest in one.vectors.items()])
        if not isinstance(item, Video):
            for system, values in one.scores.get(item.query_id, {}).items():
                found.add(f"{system}: " + _listed(f"{name} {value:.4f}" for name, value in values.items()))
        for kind, places in groupby(sorted(one.places, key=_relevant, reverse=True), _relevant):
            leaves = [f"{getattr(each, other)}: {_place(each, one)}" for each in places]
            found.add(f"ranks with {'relevant' if kind else 'other'} {others}: {len(leaves)}", _some(leaves))
    means = [
        f"{mean['system']}: {mean['measure']} {mean['value']:.4f}"
        + f", by {mean['queries']} of {mean['of']} queries" * bool(mean["queries"])
        + ", through the trained weights" * mean["training"]
        for mean in one.means
    ]
    found.add("mean scores that depend on it" if means else "no mean score depends on it", means)
    return found


def _relevant(one: Place) -> bool:
    return one.relevance > 0


def _place(one: Place, of: ItemImpact) -> str:
    ranks = _listed(f"{system} {plain(rank)}" for system, rank in one.ranks.items())
    scores = _listed(f"{system} {values[HEADLINE]:.3f}" for system, values in of.scores.get(one.query_id, {}).items())
    return f"rank {ranks}" + (f"; {HEADLINE} {scores}" if scores and isinstance(of.item, Video) else "")


def _checkpoint(one: Checkpoint) -> str:
    shown = f"yes, {one.exposures} pairs" if one.exposures else "no" if one.why is None else f"unknown ({one.why})"
    adapter = f"adapter {short(one.adapter)}, " if one.adapter else ""
    versions = f", model version {', '.join(one.versions)}" if one.versions else ""
    runs = ", ".join(run.run_id for run in one.runs) or "not in MLflow"
    return f"{shown}: {'this state, ' if one.here else ''}{adapter}manifest {short(one.manifest)}{versions}, run {runs}"


def _param(one: Param) -> Tree:
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


def _reruns(rerun: dict[str, list[StageForecast]]) -> Table:
    columns = ["stage", "runs", *(f"makes if {what}" for what in rerun), "follows", "why"]
    rows = []
    for forecasts in zip(*rerun.values(), strict=True):
        runs, reasons = dict.fromkeys(one.runs for one in forecasts), dict.fromkeys(one.reason for one in forecasts)
        makes = [", ".join(map(_made, one.makes)) for one in forecasts]
        paths = [Path(path) for one in forecasts for path in one.because]
        follows = [path.parts[1] if path.parts[0] == RESULTS.name else str(path) for path in paths]
        rows.append([forecasts[0].stage, " / ".join(runs), *makes, _listed(dict.fromkeys(follows)), "; ".join(reasons)])
    return table("what `dvc repro` would do", columns, rows)


def _made(one: Made) -> str:
    if one.most is None:
        return f"an unknown number of {one.what} (now {one.of})"
    return f"{'' if one.exact or not one.most else 'at most '}{one.most} of {one.of} {one.what}"


def _some(leaves: Sequence[Any]) -> list[str]:
    """As many as people read."""
    more = [f"and {len(leaves) - MOST} more (--json has all)"] if len(leaves) > MOST else []
    return [*map(str, leaves[:MOST]), *more]


def _listed(parts: Iterable[str | None]) -> str:
    return ", ".join(part for part in parts if part)


def _value(value: Any) -> str:
    return shortened("null" if value is None else value if isinstance(value, str) else repr(value), WORDS)
