"""`reeltrace submission` and `reeltrace score`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add both parsers, each with what runs it: a function of what was given, to an exit code."""
    submission = commands.add_parser(
        "submission", help="write the test rankings to hand in", description="Write a system's test rankings as JSON."
    )
    submission.add_argument("file", type=Path, metavar="FILE", help="where to write it")
    submission.add_argument("--layout", choices=("2025", "2026"), required=True, help="of MAGMaR's shared task")
    submission.add_argument("--system", default="tuned", help="whose rankings (default: tuned)")
    submission.add_argument("--depth", type=int, metavar="N", help="videos a query (default: all)")
    submission.set_defaults(run=_submission)
    score = commands.add_parser(
        "score",
        help="score a file of rankings",
        description="Score a submission of either layout, or a TREC run, by the measures of the evaluate stage.",
    )
    score.add_argument("file", type=Path, metavar="FILE", help="the rankings")
    score.add_argument(
        "--qrels",
        type=Path,
        default=Path("results/corpus/qrels.test.trec"),
        metavar="FILE",
        help="judgments: TREC, or MultiVENT's .jsonl (default: the test judgments of results/corpus)",
    )
    score.add_argument("--expect", metavar="NUMBER", help="a published score; exit 1 where it differs at its digits")
    score.add_argument("--measure", default="nDCG@10", help="that --expect is of (default: nDCG@10)")
    score.set_defaults(run=_score)


def _submission(chosen: argparse.Namespace) -> int:
    from tasks.shared.artifacts.scores import SYSTEMS
    from tasks.shared.runtime.errors import UserError
    from tasks.submission.layouts import submit

    if chosen.system not in SYSTEMS:
        raise UserError(f"--system {chosen.system}: known are {', '.join(SYSTEMS)}")
    if chosen.depth is not None and chosen.depth < 1:
        raise UserError(f"--depth {chosen.depth}: must be at least 1")
    run = submit(chosen.file, chosen.layout, chosen.system, chosen.depth)
    most = max(map(len, run.values()), default=0)
    print(f"{chosen.file}: {chosen.system}, {len(run)} test queries, at most {most} videos each")
    return 0


def _score(chosen: argparse.Namespace) -> int:
    from tasks.submission.score import score, table, verdict

    scored = score(chosen.file, chosen.qrels)
    print(table(scored))
    if chosen.expect is None:
        return 0
    same, words = verdict(scored, chosen.expect, chosen.measure)
    print(words, file=sys.stdout if same else sys.stderr)
    return 0 if same else 1
