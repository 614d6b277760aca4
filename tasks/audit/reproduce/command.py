"""`reeltrace audit reproduce`: run what made a score again, from its commit, and compare the bytes."""

from __future__ import annotations

import argparse

from tasks.lineage.score import add_state


def arguments(parser: argparse.ArgumentParser) -> None:
    """SCORE, --rev, --from and --json."""
    add_state(parser)
    parser.add_argument(
        "--from",
        dest="first",
        metavar="STAGE",
        help="take what comes before this stage as recorded, and run it and what follows (default: run everything)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def run(chosen: argparse.Namespace) -> int:
    """0 for identical bytes or an identical score, 1 for a difference, 2 where it did not run through.

    Raises UserError where it cannot be tried.
    """
    from tasks.audit.reproduce.answer import EXIT
    from tasks.audit.reproduce.plan import make_plan
    from tasks.audit.reproduce.reproduce import reproduce
    from tasks.audit.reproduce.view import show_answer, show_plan
    from tasks.audit.text import as_json
    from tasks.lineage.score import resolve

    plan = make_plan(resolve(chosen.score, chosen.rev), chosen.first)
    show_plan(plan)
    answer = reproduce(plan)
    if chosen.json:
        print(as_json(answer))
    else:
        show_answer(answer)
    return EXIT[answer.outcome]
