"""`reeltrace audit`: what produced a score, whether it is intact, and whether it can be had again.

The arguments of every question are here; `answer(chosen)` of the `view.py` in its folder (of `negatives` in a room of
its own) prints the answer and returns the exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from tasks.shared.runtime.errors import UserError, positive

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
    for name, (what, names) in QUESTIONS.items():
        question = questions.add_parser(name, help=what, description=what[0].upper() + what[1:] + ".")
        for argument in [*names.split(), "--json"]:
            question.add_argument(argument, **ARGUMENTS[argument])
    return parser


MANY: dict[str, Any] = {"nargs": "+", "action": "extend", "default": []}
CSV: dict[str, Any] = {"type": Path, "metavar": "FILE.csv"}
SCORE = "a measure (nDCG@10, bm25/AP), an MLflow run id, a query id, or QUERY:VIDEO (default: nDCG@10)"
FROM = "take what comes before this stage as recorded, and run it and what follows (default: run everything)"
NAMESPACE = "of jobs and of the project's files (default: reeltrace, with the address of the git remote origin)"
FORMAT = "default: the ending of FILE (.mmd, .dot, .svg), else mermaid"
SAMPLED = f"negatives a stratum of --sample (default: {PER_STRATUM})"
ARGUMENTS: dict[str, dict[str, Any]] = {
    "score": {"nargs": "?", "metavar": "SCORE", "help": SCORE},
    "query": {"nargs": "?", "metavar": "QUERY", "help": "one training query's negatives (default: all)"},
    "videos": {"nargs": "*", "metavar": "VIDEO", "help": "a video id, or the path of a video file"},
    "a": {"metavar": "A", "help": SIDE},
    "b": {"metavar": "B", "nargs": "?", "default": "workspace", "help": f"{SIDE} (default: workspace)"},
    "--rev": {"metavar": "REV", "help": "of this commit, branch or tag instead of the workspace"},
    "-k": {"type": positive, "default": 10, "metavar": "N", "help": "results of a query to trace (default: 10)"},
    "--sample": {**CSV, "help": "write a stratified sample for people to judge"},
    "--per-stratum": {"type": positive, "metavar": "N", "help": SAMPLED},
    "--judged": {**CSV, "help": "read a judged sample back: how many are false"},
    "--deep": {"action": "store_true", "help": "compute rankings and scores again too"},
    "--query": {**MANY, "metavar": "QUERY", "help": "a query id"},
    "--param": {**MANY, "metavar": "KEY[=VALUE]", "help": "a key of params.yaml: mine.keep=5"},
    "--top": {"type": int, "default": 10, "metavar": "N", "help": "rows of long tables (default: 10)"},
    "--from": {"dest": "first", "metavar": "STAGE", "help": FROM},
    "--format": {"choices": ("mermaid", "dot", "svg"), "help": FORMAT},
    "--output": {"type": Path, "metavar": "FILE", "help": "write there instead of to standard output"},
    "--namespace": {"metavar": "NAME", "help": NAMESPACE},
    "--json": {"action": "store_true", "help": "print JSON: digests in full, and all that is known"},
}
QUESTIONS = {  # what each asks, and its arguments
    "trace": ("the whole ancestry of a score, of a query's ranking, or of one video's rank", "score --rev -k"),
    "negatives": (
        "how good the mined negatives are, and a sample of them for people to judge",
        "query --rev --sample --per-stratum --judged",
    ),
    "verify": ("whether every byte, row and number is what was recorded", "--deep --rev"),
    "impact": (
        "all that follows from a video, a query or a param, and what a change of it would cost",
        "videos --query --param --rev",
    ),
    "diff": ("where two results part, and which queries moved", "a b --top"),
    "reproduce": ("make a score again from its commit and compare the bytes", "score --rev --from"),
    "graph": ("the lineage as a picture: Mermaid, DOT or SVG", "score --rev --format --output"),
    "export": ("the lineage as OpenLineage events", "score --rev --output --namespace"),
}
