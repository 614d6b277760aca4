"""`reeltrace audit verify`: whether every byte, row and number is what was recorded."""

from __future__ import annotations

import argparse

from tasks.audit.text import as_json


def arguments(parser: argparse.ArgumentParser) -> None:
    """Which state, and whether to compute the scores again."""
    parser.add_argument("--deep", action="store_true", help="compute rankings and scores again too")
    parser.add_argument("--rev", metavar="REV", help="what this commit, branch or tag has in DVC's cache")
    parser.add_argument("--json", action="store_true", help="print JSON: digests in full")


def run(chosen: argparse.Namespace) -> int:
    """Print what was checked and found; 0 where all is intact, 1 where anything is missing, altered or extra.

    Raises UserError where there is nothing to verify.
    """
    from tasks.audit.verify import view
    from tasks.audit.verify.verify import verify

    answer = verify(chosen.rev, chosen.deep)
    print(as_json(answer)) if chosen.json else view.show_verified(answer)
    return 0 if answer.intact else 1
