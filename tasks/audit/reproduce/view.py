"""The reproduction as people read it: before on standard error, afterwards on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from typing import Any

from tasks.audit.reproduce.compare import ScoreResult
from tasks.audit.reproduce.plan import Plan, make_plan
from tasks.audit.reproduce.reproduce import EXIT, PREFIX, Reproduction, reproduce
from tasks.audit.rows import rows
from tasks.audit.text import as_json, lines, plain, short, show
from tasks.lineage.score import resolve
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.worktree import left_over

STAGE = ("stage", "verdict", "files", "recorded", "made", "runs", "seconds")  # columns of their table
MOST = 24  # differing files of a stage, and measures, that are shown; JSON has all


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
    yield from (*_remarks(plan), *plan.notes)
    for path in left_over(PREFIX):
        yield f"the worktree of an earlier one is still there: git worktree remove --force '{path}'"


def show_answer(found: Reproduction) -> None:
    """What came of it, on standard output."""
    stages = [{name: getattr(one, name) for name in STAGE} for one in found.stages]
    show(rows(f"{found.state} made again at commit {found.commit} ({found.why})", stages, MOST))
    for one in found.stages:
        show(rows(f"{one.stage}: where it differs", map(_difference, one.differing), MOST))
        show(lines(f"{one.stage}: where its manifest differs", one.manifest_differs))
    score = found.score
    show(_scores(score) if score and score.means else None)
    show(found.notes, _remarks(found))
    show(f"params: sha256 {short(found.params_sha256)}{'' if found.params_changed else ', those of the commit'}")
    if score and score.asked:
        show(_asked(score.asked))
    if found.linked:
        show(f"linked from the workspace: {', '.join(found.linked)}")
    if found.external:
        show(f"{found.external} files from outside the pipeline have their recorded digests")
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
        return f"differs: first in {differing[0]}" + (f"; {_asked(asked)}" if asked else "")
    stopped = next((one.stage for one in found.stages if one.verdict == "not made"), found.again[-1])
    return f"did not run through: {stopped} failed, see above"


def _asked(one: dict[str, Any]) -> str:
    return f"{one['what']} {plain(one['recorded'])} recorded, {plain(one['made'])} here"


def _difference(one: dict[str, Any]) -> dict[str, Any]:
    words: list[str | None] = [one["reason"]]
    if found := one["amount"]:
        largest = None if found.largest is None else f"by up to {found.largest:.3g}"
        cosine = None if found.lowest_cosine is None else f"lowest cosine {found.lowest_cosine:.9f}"
        words = [f"{found.differing} of {found.total} {found.of}", largest, cosine, found.where]
    how = "; ".join(filter(None, words))
    return {"file": one["path"], "recorded": one["recorded"], "made": one["made"], "how much": how}


def _scores(score: ScoreResult) -> Iterator[Any]:
    differ = [one for one in score.means if one["measure"] == HEADLINE or one["recorded"] != one["made"]]
    yield rows("The score", [one | {"": "" if one["recorded"] != one["made"] else "same"} for one in differ], MOST)
    if score.moved:
        sizes = [one["by"] for one in score.moved]
        apart = f"by up to {max(sizes):.4f}, on average {sum(sizes) / score.scored:.4f}"
        yield rows(f"{HEADLINE} query by query: {len(sizes)} of {score.scored} differ, {apart}", score.moved)


def _remarks(plan: Plan) -> Iterator[str]:
    """Where params are not those of the commit, and the environment is not that of the results."""
    for key, (before, now) in plan.params_changed.items():
        yield f"param {key} is {now} as recorded; the commit has {before}"
    for one in plan.environment:
        was = f"another environment: {one['what']} was {one['recorded']} for {', '.join(one['stages'])}"
        yield f"{was}, here it is {one['here'] or 'not installed'}"
