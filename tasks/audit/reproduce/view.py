"""The reproduction as people read it: before on standard error, afterwards on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from tasks.audit.reproduce.compare import Comparison
from tasks.audit.reproduce.plan import Plan, make_plan
from tasks.audit.reproduce.reproduce import EXIT, PREFIX, Reproduction, reproduce
from tasks.audit.reproduce.scores import SystemScore, distance
from tasks.audit.text import Table, as_json, plain, short, show, table
from tasks.lineage.score import resolve
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.worktree import left_over

MOST = 20  # differing files of a stage that are shown; JSON has all
QUERIES = 5  # that are named


def answer(chosen: argparse.Namespace) -> int:
    """0 for identical bytes or an identical score, 1 for a difference, 2 where it did not run through.

    Raises UserError where it cannot be tried.
    """
    plan = make_plan(resolve(chosen.score, chosen.rev), chosen.first)
    for line in _before(plan):
        print(f"reproduce: {plain(line)}", file=sys.stderr)
    found = reproduce(plan)
    print(as_json(found)) if chosen.json else show_answer(found)
    return EXIT[found.outcome]


def _before(plan: Plan) -> Iterator[str]:
    """What is about to be done."""
    yield f"{plan.state} at commit {plan.commit} ({plan.why})"
    yield f"running {', '.join(plan.again)}"
    if not plan.whole:
        yield f"as recorded: {', '.join(stage for stage in plan.executions if stage not in plan.again)}"
    yield from (*_params(plan), *_environment(plan), *plan.notes)
    for path in left_over(PREFIX):
        yield f"the worktree of an earlier one is still there: git worktree remove --force '{path}'"


def show_answer(found: Reproduction) -> None:
    """What came of it, on standard output."""
    show(_stages(found), (_differences(one) for one in found.stages if one.differing or one.manifest_differs))
    score = found.score
    if score and score.systems:
        show(_systems(score.systems), (_moved(system) for system in score.systems if system.moved))
    show(found.notes, _params(found))
    show(f"params: sha256 {short(found.params_sha256)}{'' if found.params_changed else ', those of the commit'}")
    if score and score.asked:
        show(f"{score.asked.what}: {plain(score.asked.recorded)} recorded, {plain(score.asked.made)} here")
    if found.linked:
        show(f"linked from the workspace: {', '.join(found.linked)}")
    if found.external:
        show(f"{found.external} files from outside the pipeline have their recorded digests")
    if found.outcome != "identical bytes":
        show(_environment(found))
    if score and score.reason:
        show(f"the scores cannot be compared: {score.reason}")
    if found.worktree:
        show(f"the worktree is kept: {found.worktree}", f"to remove it: {found.removal}")
    show(f"{headline(found)} ({found.seconds:.0f} s)")


def headline(found: Reproduction) -> str:
    """The verdict in one line."""
    made = [one for one in found.stages if one.made]
    differing = [one.stage for one in made if one.verdict != "identical bytes"]
    if found.outcome == "identical bytes":
        return f"identical bytes: {sum(one.files for one in made)} files and the manifests of {len(made)} stages"
    if found.outcome == "identical score":
        return f"identical score (bytes differ in {', '.join(differing)})"
    if found.outcome == "differs":
        asked = found.score and found.score.asked
        numbers = f"; {asked.what} {plain(asked.recorded)} recorded, {plain(asked.made)} here" if asked else ""
        return f"differs: first in {differing[0]}{numbers}"
    stopped = next((one.stage for one in found.stages if one.verdict == "not made"), found.again[-1])
    return f"did not run through: {stopped} failed, see above"


def _stages(found: Reproduction) -> Table:
    rows = []
    for one in found.stages:
        count = len(one.differing)
        verdict = f"differs in {count} file{'s' * (count != 1)}" if one.verdict == "differs" else one.verdict
        seconds = None if one.seconds is None else f"{one.seconds:.0f}"
        digests = short(one.recorded), short(one.made)
        rows.append(
            (one.stage, verdict, one.files if one.made else None, *digests, *(one.runs or [None])[-1:], seconds)
        )
    columns = ["stage", "verdict", "files", "manifest recorded", "made here", "run", "seconds"]
    title = f"{found.state} made again at commit {found.commit} ({found.why})"
    return table(title, columns, rows, right=["files", "seconds"])


def _differences(one: Comparison) -> Table:
    rows: list[tuple[object, ...]] = []
    for file in one.differing[:MOST]:
        words: list[str | None] = [file.reason]
        if found := file.amount:
            largest = None if found.largest is None else f"by up to {found.largest:.3g}"
            cosine = None if found.lowest_cosine is None else f"lowest cosine {found.lowest_cosine:.9f}"
            words = [f"{found.differing} of {found.total} {found.of}", largest, cosine, found.where]
        rows.append((file.path, short(file.recorded), short(file.made), "; ".join(filter(None, words))))
    if len(one.differing) > MOST:
        rows.append((f"and {len(one.differing) - MOST} more", None, None, None))
    rows += [("manifest.json", None, None, entry) for entry in one.manifest_differs]
    return table(f"{one.stage}: where it differs", ["file", "recorded", "made here", "how much"], rows)


def _systems(systems: list[SystemScore]) -> Table:
    rows = []
    for one in systems:
        for measure, (before, after) in one.measures.items():
            if measure == HEADLINE or before != after:
                apart = None if before is None or after is None else f"{after - before:+.3g}"
                rows.append((one.system, measure, before, after, "same" if before == after else apart))
    columns = ["system", "measure", "recorded", "made here", "difference"]
    return table("The score", columns, rows, right=columns[2:])


def _moved(system: SystemScore) -> Table:
    sizes = [distance(one) for one in system.moved]
    title = (
        f"{HEADLINE} of {system.system}, query by query: {len(sizes)} of {system.queries} differ, by up to "
        f"{sizes[0]:.4f}, on average {sum(sizes) / system.queries:.4f}; the most:"
    )
    columns = ["query", "recorded", "made here"]
    return table(title, columns, [(one.key, one.a, one.b) for one in system.moved[:QUERIES]], right=columns[1:])


def _params(plan: Plan) -> list[str]:
    changed = plan.params_changed.items()
    return [f"param {key} is {now} as recorded; the commit has {before}" for key, (before, now) in changed]


def _environment(plan: Plan) -> list[str]:
    return [
        f"another environment: {one.what} was {one.recorded} for {', '.join(one.stages)}, here it is "
        f"{one.here or 'not installed'}"
        for one in plan.environment
    ]
