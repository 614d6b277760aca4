"""`reeltrace audit trace`: from a number, a query or a rank back to the video files, in one command."""

from __future__ import annotations

import argparse

from tasks.audit.text import as_json
from tasks.lineage.score import add_state, positive, resolve


def arguments(parser: argparse.ArgumentParser) -> None:
    """SCORE and its state, how many results of a query, and whose ranking."""
    add_state(parser)
    parser.add_argument("-k", type=positive, default=10, metavar="N", help="results of a query to trace (default: 10)")
    parser.add_argument("--json", action="store_true", help="print JSON: digests in full, and all that is known")


def run(chosen: argparse.Namespace) -> int:
    """Print the ancestry. Raises UserError where there is nothing of that name."""
    from tasks.audit.trace import trace, view

    score = resolve(chosen.score, chosen.rev)
    if score.video_id is not None:
        pair = trace.trace_pair(score)
        print(as_json(pair)) if chosen.json else view.show_pair(pair)
    elif score.query_id is not None:
        query = trace.trace_query(score, chosen.k)
        print(as_json(query)) if chosen.json else view.show_query(query)
    else:
        number = trace.trace_score(score)
        print(as_json(number)) if chosen.json else view.show_score(number)
    return 0
