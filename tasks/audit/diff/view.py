"""`reeltrace audit diff A [B]`: where two results part, what differs, and which queries moved."""

from __future__ import annotations

import argparse


def answer(chosen: argparse.Namespace) -> int:
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
