"""The reproduction as people read it: before on standard error, afterwards on standard output."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator, Sequence

from tasks.audit.reproduce.amounts import Amount
from tasks.audit.reproduce.answer import Reproduction
from tasks.audit.reproduce.compare import FileDifference, StageResult
from tasks.audit.reproduce.environment import Difference
from tasks.audit.reproduce.plan import Plan
from tasks.audit.reproduce.scores import SystemScore
from tasks.audit.reproduce.tree import PREFIX
from tasks.audit.text import as_json, plain, short, show, table
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.execution.worktree import left_over

MOST = 20  # differing files of a stage that are shown; JSON has all


def show_plan(plan: Plan) -> None:
    """What is about to be done, on standard error."""
    print(f"reproduce: {plan.lineage.name} at commit {plan.found.commit} ({plan.found.why})", file=sys.stderr)
    print(f"reproduce: running {', '.join(plan.again)}", file=sys.stderr)
    taken = [stage for stage in plan.executions if stage not in plan.again]
    if taken:
        print(f"reproduce: as recorded: {', '.join(taken)}", file=sys.stderr)
    for line in [*_params(plan.params_changed), *_environment(plan.environment), *plan.notes]:
        print(f"reproduce: {plain(line)}", file=sys.stderr)
    for path in left_over(PREFIX):
        print(
            f"reproduce: the worktree of an earlier one is still there: git worktree remove --force '{path}'",
            file=sys.stderr,
        )


def show_answer(answer: Reproduction) -> None:
    """What came of it, on standard output."""

    def section(
        title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], right: Iterable[str] = ()
    ) -> None:
        show(plain(title))  # not the table's own title, which would be broken at its width
        show(table("", columns, rows, right))

    section(
        f"{answer.state} made again at commit {answer.commit} ({answer.why})",
        ("stage", "verdict", "files", "manifest recorded", "made here", "run", "seconds"),
        [_stage(one) for one in answer.stages],
        ("files", "seconds"),
    )
    for one in answer.stages:
        if one.differing or one.manifest_differs:
            section(f"{one.stage}: where it differs", ("file", "recorded", "made here", "how much"), _differences(one))
    if answer.score and answer.score.systems:
        section(
            "the score", ("system", "measure", "recorded", "made here", "difference"), _systems(answer.score.systems)
        )
        for system in answer.score.systems:
            if system.moved:
                rows = [(one.query_id, one.recorded, one.made) for one in system.most]
                section(_moved(system), ("query", "recorded", "made here"), rows, ("recorded", "made here"))
    lines = [*answer.notes, *_params(answer.params_changed)]
    lines.append(
        f"params: sha256 {short(answer.params_sha256)}{'' if answer.params_changed else ', those of the commit'}"
    )
    if answer.score and (asked := answer.score.asked):
        lines.append(f"{asked.what}: {plain(asked.recorded)} recorded, {plain(asked.made)} here")
    if answer.linked:
        lines.append(f"linked from the workspace: {', '.join(answer.linked)}")
    if answer.external:
        lines.append(f"{answer.external} files from outside the pipeline have their recorded digests")
    if answer.outcome != "identical bytes":
        lines += _environment(answer.environment)
    if answer.score and answer.score.untold:
        lines.append(f"the scores cannot be compared: {answer.score.untold}")
    if answer.worktree:
        lines += [f"the worktree is kept: {answer.worktree}", f"to remove it: {answer.removal}"]
    for line in lines:
        show(line)
    show(f"{headline(answer)} ({answer.seconds:.0f} s)")


def headline(answer: Reproduction) -> str:
    """The verdict in one line."""
    differing = [one.stage for one in answer.stages if one.made and one.verdict != "identical bytes"]
    if answer.outcome == "identical bytes":
        ran = [one for one in answer.stages if one.made]
        return f"identical bytes: {sum(one.files for one in ran)} files and the manifests of {len(ran)} stages"
    if answer.outcome == "identical score":
        return f"identical score (bytes differ in {', '.join(differing)})"
    if answer.outcome == "differs":
        first = f"differs: first in {differing[0]}"
        if answer.score and (asked := answer.score.asked):
            first += f"; {asked.what} {plain(asked.recorded)} recorded, {plain(asked.made)} here"
        return first
    stopped = next((one.stage for one in answer.stages if one.verdict == "not made"), answer.target)
    return f"did not run through: {stopped} failed, see above"


def _stage(one: StageResult) -> tuple[object, ...]:
    return (
        one.stage,
        f"differs in {len(one.differing)} file{'s' * (len(one.differing) != 1)}"
        if one.verdict == "differs"
        else one.verdict,
        one.files if one.made else None,
        short(one.recorded),
        short(one.made),
        one.runs[-1] if one.runs else None,
        None if one.seconds is None else f"{one.seconds:.0f}",
    )


def _differences(one: StageResult) -> list[Sequence[object]]:
    rows: list[Sequence[object]] = [
        (file.path, short(file.recorded), short(file.made), _how_much(file)) for file in one.differing[:MOST]
    ]
    if len(one.differing) > MOST:
        rows.append((f"and {len(one.differing) - MOST} more", None, None, None))
    return rows + [("manifest.json", None, None, entry) for entry in one.manifest_differs]


def _how_much(file: FileDifference) -> str:
    if file.amount is None:
        return file.untold or "-"
    return "; ".join(_words(file.amount))


def _words(amount: Amount) -> Iterator[str]:
    yield f"{amount.differing} of {amount.total} {amount.of}"
    if amount.largest is not None:
        yield f"by up to {amount.largest:.3g}"
    if amount.lowest_cosine is not None:
        yield f"lowest cosine {amount.lowest_cosine:.9f}"
    if amount.where:
        yield amount.where


def _systems(systems: list[SystemScore]) -> list[Sequence[object]]:
    return [
        (one.system, measure, before, after, "same" if before == after else _apart(before, after))
        for one in systems
        for measure, (before, after) in one.measures.items()
        if measure == HEADLINE or before != after
    ]


def _apart(before: float | None, after: float | None) -> str | None:
    return None if before is None or after is None else f"{after - before:+.3g}"


def _moved(system: SystemScore) -> str:
    return (
        f"{HEADLINE} of {system.system}, query by query: {system.moved} of {system.queries} differ, by up to "
        f"{system.largest:.4f}, on average {system.mean:.4f}; the most:"
    )


def _params(changed: dict[str, list[object]]) -> list[str]:
    return [f"param {key} is {now} as recorded; the commit has {before}" for key, (before, now) in changed.items()]


def _environment(differences: list[Difference]) -> list[str]:
    return [
        f"another environment: {one.what} was {one.recorded} for {', '.join(one.stages)}, here it is "
        f"{one.here or 'not installed'}"
        for one in differences
    ]


def answer(chosen: argparse.Namespace) -> int:
    """0 for identical bytes or an identical score, 1 for a difference, 2 where it did not run through.

    Raises UserError where it cannot be tried.
    """
    from tasks.audit.reproduce.answer import EXIT
    from tasks.audit.reproduce.plan import make_plan
    from tasks.audit.reproduce.reproduce import reproduce
    from tasks.lineage.score import resolve

    plan = make_plan(resolve(chosen.score, chosen.rev), chosen.first)
    show_plan(plan)
    answer = reproduce(plan)
    if chosen.json:
        print(as_json(answer))
    else:
        show_answer(answer)
    return EXIT[answer.outcome]
