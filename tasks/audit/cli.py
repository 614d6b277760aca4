"""`reeltrace audit`: what produced a score, whether it is intact, and whether it can be had again.

Every command is a folder here (`negatives` is a room of its own) with a `command.py`, which has `arguments(parser)` and
`run(chosen)`, the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from tasks.shared.runtime.errors import UserError

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


def main(arguments: Sequence[str]) -> None:
    """Answer a question and exit: 0, or what its command says; a user's mistake is one line and 2, or 75 where
    it may pass."""
    chosen = build_parser(arguments).parse_args(list(arguments) or ["--help"])
    try:
        code: int = _command(chosen.question).run(chosen)
        sys.stdout.flush()
    except UserError as error:
        print(f"audit: {error}", file=sys.stderr)
        code = error.exit_code
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of every question; only the one that is asked has its arguments, for they cost imports."""
    parser = argparse.ArgumentParser(
        prog="reeltrace audit",
        description="What produced a score, whether it is intact, and whether it can be had again.",
        epilog="An answer follows digests through manifests, dvc.lock and MLflow, never the latest run.",
    )
    questions = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    for name, what in COMMANDS.items():
        question = questions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        if name in arguments[:1]:
            _command(name).arguments(question)
    return parser


def _command(name: str) -> ModuleType:
    room = "tasks.negatives" if name == "negatives" else f"tasks.audit.{name}"
    return import_module(f"{room}.command")
