"""`reeltrace audit`: what produced a score, whether it is intact, and whether it can be had again.

Every command is a folder here with a `command.py`, which has `arguments(parser)` and `run(chosen)`, the exit code.
"""

from __future__ import annotations

import argparse
from importlib import import_module

COMMANDS = {
    "trace": "the whole ancestry of a score, of a query's ranking, or of one video's rank",
    "negatives": "how good the mined negatives are, and a sample of them for people to judge",
    "verify": "whether every byte, row and number is what was recorded",
    "impact": "all that follows from a video, a query or a param, and what a change of it would cost",
    "diff": "where two results part, and which queries moved",
    "reproduce": "make a score again from its commit and compare the bytes",
    "graph": "the lineage as a picture: Mermaid, DOT or SVG",
    "export": "the lineage as OpenLineage events",
}


def add_audit(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the subcommand `audit` with a subcommand for every question."""
    audit = commands.add_parser("audit", help="what produced a score, is it intact, and can it be had again")
    questions = audit.add_subparsers(dest="question", metavar="QUESTION", required=True)
    for name, what in COMMANDS.items():
        parser = questions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        import_module(f"tasks.audit.{name}.command").arguments(parser)


def run(chosen: argparse.Namespace) -> int:
    """Answer the question that was chosen; the exit code. Raises UserError for a user's mistake."""
    code: int = import_module(f"tasks.audit.{chosen.question}.command").run(chosen)
    return code
