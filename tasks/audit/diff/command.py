"""`reeltrace audit diff A [B]`: where two results part, what differs, and which queries moved."""

from __future__ import annotations

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """The two states, and how they are shown."""
    what = "a commit, branch or tag, an MLflow run id, or `workspace`"
    parser.add_argument("a", metavar="A", help=what)
    parser.add_argument("b", metavar="B", nargs="?", default="workspace", help=f"{what} (default: workspace)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows of long tables (default: 10)")
    parser.add_argument("--json", action="store_true", help="print all of it as JSON")


def run(chosen: argparse.Namespace) -> int:
    """Print the comparison; 0 where it could be made."""
    from tasks.audit.diff.answer import compare
    from tasks.audit.diff.pair import Pair
    from tasks.audit.diff.tables import print_difference
    from tasks.audit.text import as_json
    from tasks.lineage.score import state

    found = compare((chosen.a, chosen.b), Pair(state(chosen.a), state(chosen.b)))
    if chosen.json:
        print(as_json(found))
    else:
        print_difference(found, chosen.top)
    return 0
