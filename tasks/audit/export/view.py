"""`reeltrace audit export`: the lineage of a score for Marquez, DataHub, or whatever else reads OpenLineage."""

from __future__ import annotations

import argparse
import json
import sys

from tasks.audit.text import as_json, plain, put
from tasks.lineage.score import RUN_ID, resolve


def answer(chosen: argparse.Namespace) -> int:
    """Print an event a line, remarks to standard error. Raises UserError where there is nothing of that name."""
    score = resolve(chosen.score, chosen.rev)
    named = chosen.score if chosen.score and RUN_ID.fullmatch(chosen.score) else None
    from tasks.audit.export.events import export  # a second of imports: not for a name that does not exist

    found = export(score.lineage, score.stage, chosen.namespace, named)
    for remark in found.remarks:
        print(f"audit: {plain(remark)}", file=sys.stderr)
    # in ASCII: what names hold of control characters is escaped, and every terminal can show it
    lines = "".join(json.dumps(event, allow_nan=False) + "\n" for event in found.events)
    if put(as_json(found) + "\n" if chosen.json else lines, chosen.output):
        print(f"{chosen.output}: {len(found.events)} events of {found.state}, namespace {found.namespace}")
    return 0
