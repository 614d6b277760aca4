"""`reeltrace audit export`: the lineage of a score for Marquez, DataHub, or whatever else reads OpenLineage."""

from __future__ import annotations

import argparse
import json
import sys

from tasks.audit.text import as_json, plain, short, show, table
from tasks.lineage.score import RUN_ID, resolve
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text


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
    text = as_json(found) + "\n" if chosen.json else lines
    if chosen.output is None:
        print(text, end="")
        return 0
    try:
        write_text(chosen.output, text)
    except OSError as error:
        raise UserError(f"{chosen.output} cannot be written ({error.strerror}); name another file") from None
    rows = [
        (
            event["job"]["name"],
            event["run"]["runId"],
            event["eventTime"],
            len(event["inputs"]),
            len(event["outputs"]),
            short(event["run"]["facets"]["reeltrace_stage"]["manifestSha256"]),
        )
        for event in found.events
        if event["eventType"] == "COMPLETE"
    ]
    title = f"OpenLineage: {len(found.events)} events of {found.state}, namespace {found.namespace}"
    columns = ("stage", "run", "completed", "inputs", "outputs", "version")
    show(table(title, columns, rows, right=("inputs", "outputs")))
    return 0
