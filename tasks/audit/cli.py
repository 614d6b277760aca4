"""`reeltrace audit`: what produced a score, whether it is intact, and whether it can be had again.

The arguments of every question are here; `answer(chosen)` of the `view.py` in its folder (of `negatives` in a room of
its own) prints the answer and returns the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

from tasks.shared.runtime.errors import UserError, positive

STATE = "of this commit, branch or tag instead of the workspace"
SIDE = "a commit, branch or tag, an MLflow run id, or `workspace`"
PER_STRATUM = 10  # negatives of a stratum in a sample


def main(arguments: Sequence[str]) -> None:
    """Answer a question and exit: 0, or what the question says; a user's mistake is one line and 2, or 75 where
    it may pass."""
    chosen = build_parser().parse_args(list(arguments) or ["--help"])
    try:
        room = "tasks" if chosen.question == "negatives" else "tasks.audit"
        code: int = import_module(f"{room}.{chosen.question}.view").answer(chosen)
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


def build_parser() -> argparse.ArgumentParser:
    """The parser of every question."""
    parser = argparse.ArgumentParser(
        prog="reeltrace audit",
        description="What produced a score, whether it is intact, and whether it can be had again.",
        epilog="An answer follows digests through manifests, dvc.lock and MLflow, never the latest run.",
    )
    questions = parser.add_subparsers(dest="question", metavar="QUESTION", required=True)
    for name, (what, declare) in QUESTIONS.items():
        question = questions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        declare(question)
    return parser


def _score(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "score",
        nargs="?",
        metavar="SCORE",
        help="a measure (nDCG@10, bm25/AP), an MLflow run id, a query id, or QUERY:VIDEO (default: nDCG@10)",
    )
    parser.add_argument("--rev", metavar="REV", help=STATE)


def _json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON: digests in full, and all that is known")


def _trace(parser: argparse.ArgumentParser) -> None:
    _score(parser)
    parser.add_argument("-k", type=positive, default=10, metavar="N", help="results of a query to trace (default: 10)")
    _json(parser)


def _negatives(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("query", nargs="?", metavar="QUERY", help="one training query's negatives (default: all)")
    parser.add_argument("--rev", metavar="REV", help=STATE)
    parser.add_argument("--sample", type=Path, metavar="FILE.csv", help="write a stratified sample for people to judge")
    parser.add_argument(
        "--per-stratum",
        type=positive,
        metavar="N",
        help=f"negatives a stratum of --sample (default: {PER_STRATUM})",
    )
    parser.add_argument("--judged", type=Path, metavar="FILE.csv", help="read a judged sample back: how many are false")
    _json(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--deep", action="store_true", help="compute rankings and scores again too")
    parser.add_argument("--rev", metavar="REV", help="what this commit, branch or tag has in DVC's cache")
    _json(parser)


def _impact(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("videos", nargs="*", metavar="VIDEO", help="a video id, or the path of a video file")
    parser.add_argument("--query", nargs="+", action="extend", default=[], metavar="QUERY", help="a query id")
    parser.add_argument(
        "--param",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY[=VALUE]",
        help="a key of params.yaml: mine.keep=5",
    )
    parser.add_argument("--rev", metavar="REV", help=STATE)
    _json(parser)


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("a", metavar="A", help=SIDE)
    parser.add_argument("b", metavar="B", nargs="?", default="workspace", help=f"{SIDE} (default: workspace)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows of long tables (default: 10)")
    _json(parser)


def _reproduce(parser: argparse.ArgumentParser) -> None:
    _score(parser)
    parser.add_argument(
        "--from",
        dest="first",
        metavar="STAGE",
        help="take what comes before this stage as recorded, and run it and what follows (default: run everything)",
    )
    _json(parser)


def _graph(parser: argparse.ArgumentParser) -> None:
    _score(parser)
    parser.add_argument(
        "--format",
        choices=("mermaid", "dot", "svg"),
        help="default: the ending of FILE (.mmd, .dot, .svg), else mermaid",
    )
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of to standard output")
    parser.add_argument("--json", action="store_true", help="nodes and edges as JSON, digests in full")


def _export(parser: argparse.ArgumentParser) -> None:
    _score(parser)
    parser.add_argument("--output", type=Path, metavar="FILE", help="write there instead of to standard output")
    parser.add_argument(
        "--namespace",
        metavar="NAME",
        help="of jobs and of the project's files (default: reeltrace, with the address of the git remote origin)",
    )
    parser.add_argument("--json", action="store_true", help="one JSON document of events and remarks, not a line each")


QUESTIONS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "trace": ("the whole ancestry of a score, of a query's ranking, or of one video's rank", _trace),
    "negatives": ("how good the mined negatives are, and a sample of them for people to judge", _negatives),
    "verify": ("whether every byte, row and number is what was recorded", _verify),
    "impact": ("all that follows from a video, a query or a param, and what a change of it would cost", _impact),
    "diff": ("where two results part, and which queries moved", _diff),
    "reproduce": ("make a score again from its commit and compare the bytes", _reproduce),
    "graph": ("the lineage as a picture: Mermaid, DOT or SVG", _graph),
    "export": ("the lineage as OpenLineage events", _export),
}
