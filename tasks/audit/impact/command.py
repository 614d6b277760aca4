"""`reeltrace audit impact`: everything downstream of videos, queries and params, and what a change would cost."""

from __future__ import annotations

import argparse

from tasks.audit.text import as_json
from tasks.shared.runtime.errors import UserError


def arguments(parser: argparse.ArgumentParser) -> None:
    """VIDEO..., --query, --param, the state, and the form of the answer."""
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
    parser.add_argument("--rev", metavar="REV", help="of this commit, branch or tag instead of the workspace")
    parser.add_argument("--json", action="store_true", help="print JSON: digests in full, and all that is known")


def run(chosen: argparse.Namespace) -> int:
    """Print what follows. Raises UserError where nothing is named, or something that there is not."""
    from tasks.audit.impact.impact import impact
    from tasks.audit.impact.view import show_impact

    if not (chosen.videos or chosen.query or chosen.param):
        raise UserError("name a VIDEO, --query QUERY or --param KEY[=VALUE]; `reeltrace audit impact --help` says more")
    answer = impact(chosen.videos, chosen.query, chosen.param, chosen.rev)
    if chosen.json:
        print(as_json(answer))
    else:
        show_impact(answer)
    return 0
