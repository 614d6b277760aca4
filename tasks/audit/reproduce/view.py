"""The reproduction as people read it: before on standard error, afterwards on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tasks.audit.reproduce.amounts import Amount
from tasks.audit.reproduce.compare import Comparison, FileDifference
from tasks.audit.reproduce.params import OtherEnvironment
from tasks.audit.reproduce.plan import Plan, make_plan
from tasks.audit.reproduce.reproduce import EXIT, Reproduction, reproduce
from tasks.audit.reproduce.run import PREFIX
from tasks.audit.reproduce.scores import SystemScore
from tasks.audit.text import Table, as_json, plain, short, show, table
from tasks.lineage.score import resolve
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.worktree import left_over

MOST = 20  # differing files of a stage that are shown; JSON has all


def answer(chosen: argparse.Namespace) -> int:
    """0 for identical bytes or an identical score, 1 for a difference, 2 where it did not run through.

    Raises UserError where it cannot be tried.
    """
    plan = make_plan(resolve(chosen.score, chosen.rev), chosen.first)
    show_plan(plan)
    found = reproduce(plan)
    print(as_json(found)) if chosen.json else show_answer(found)
    return EXIT[found.outcome]


def show_plan(plan: Plan) -> None:
    """What is about to be done, on standard error."""
    taken = [stage for stage in plan.executions if stage not in plan.again]
    for line in [
        f"{plan.lineage.name} at commit {plan.found.commit} ({plan.found.why})",
        f"running {', '.join(plan.again)}",
        *([f"as recorded: {', '.join(taken)}"] if taken else []),
        *_params(plan.params_changed),
        *_environment(plan.environment),
        *plan.notes,
        *(
            f"the worktree of an earlier one is still there: git worktree remove --force '{path}'"
            for path in left_over(PREFIX)
        ),
    ]:
        print(f"reproduce: {plain(line)}", file=sys.stderr)


def show_answer(found: Reproduction) -> None:
    """What came of it, on standard output."""
    show(_stages(found))
    for one in found.stages:
        if one.differing or one.manifest_differs:
            columns = ["file", "recorded", "made here", "how much"]
            show(table(f"{one.stage}: where it differs", columns, _differences(one)))
    score = found.score
    if score and score.systems:
        show(_systems(score.systems), (_moved(system) for system in score.systems if system.moved))
    show(found.notes, _params(found.params_changed))
    show(f"params: sha256 {short(found.params_sha256)}{'' if found.params_changed else ', those of the commit'}")
    if score and score.asked:
        show(f"{score.asked.what}: {plain(score.asked.recorded)} recorded, {plain(score.asked.made)} here")
    if found.linked:
        show(f"linked from the workspace: {', '.join(found.linked)}")
    if found.external:
        show(f"{found.external} files from outside the pipeline have their recorded digests")
    if found.outcome != "identical bytes":
        show(_environment(found.environment))
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
        first = f"differs: first in {differing[0]}"
        if found.score and (asked := found.score.asked):
            first += f"; {asked.what} {plain(asked.recorded)} recorded, {plain(asked.made)} here"
        return first
    stopped = next((one.stage for one in found.stages if one.verdict == "not made"), found.target)
    return f"did not run through: {stopped} failed, see above"


def _stages(found: Reproduction) -> Table:
    rows = []
    for one in found.stages:
        count = len(one.differing)
        rows.append(
            (
                one.stage,
                f"differs in {count} file{'s' * (count != 1)}" if one.verdict == "differs" else one.verdict,
                one.files if one.made else None,
                short(one.recorded),
                short(one.made),
                one.runs[-1] if one.runs else None,
                None if one.seconds is None else f"{one.seconds:.0f}",
            )
        )
    columns = ["stage", "verdict", "files", "manifest recorded", "made here", "run", "seconds"]
    title = f"{found.state} made again at commit {found.commit} ({found.why})"
    return table(title, columns, rows, right=["files", "seconds"])


def _differences(one: Comparison) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = [
        (file.path, short(file.recorded), short(file.made), _how_much(file)) for file in one.differing[:MOST]
    ]
    if len(one.differing) > MOST:
        rows.append((f"and {len(one.differing) - MOST} more", None, None, None))
    return rows + [("manifest.json", None, None, entry) for entry in one.manifest_differs]


def _how_much(file: FileDifference) -> str:
    found: Amount | None = file.amount
    if found is None:
        return file.reason or "-"
    words = [f"{found.differing} of {found.total} {found.of}"]
    words += [f"by up to {found.largest:.3g}"] if found.largest is not None else []
    words += [f"lowest cosine {found.lowest_cosine:.9f}"] if found.lowest_cosine is not None else []
    return "; ".join([*words, *([found.where] if found.where else [])])


def _systems(systems: Sequence[SystemScore]) -> Table:
    rows = []
    for one in systems:
        for measure, (before, after) in one.measures.items():
            if measure == HEADLINE or before != after:
                apart = None if before is None or after is None else f"{after - before:+.3g}"
                rows.append((one.system, measure, before, after, "same" if before == after else apart))
    columns = ["system", "measure", "recorded", "made here", "difference"]
    return table("The score", columns, rows, right=columns[2:])


def _moved(system: SystemScore) -> Table:
    title = (
        f"{HEADLINE} of {system.system}, query by query: {system.moved} of {system.queries} differ, by up to "
        f"{system.largest:.4f}, on average {system.mean:.4f}; the most:"
    )
    columns = ["query", "recorded", "made here"]
    return table(title, columns, [(one.key, one.a, one.b) for one in system.most], right=columns[1:])


def _params(changed: dict[str, list[object]]) -> list[str]:
    return [f"param {key} is {now} as recorded; the commit has {before}" for key, (before, now) in changed.items()]


def _environment(found: Sequence[OtherEnvironment]) -> list[str]:
    return [
        f"another environment: {one.what} was {one.recorded} for {', '.join(one.stages)}, here it is "
        f"{one.here or 'not installed'}"
        for one in found
    ]
