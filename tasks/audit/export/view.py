"""`reeltrace audit export`: the lineage of a score for Marquez, DataHub, or whatever else reads OpenLineage."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from tasks.audit.text import as_json, plain, short, show, table
from tasks.lineage.score import RUN_ID, resolve

if TYPE_CHECKING:
    from tasks.audit.export.events import Export


def answer(chosen: argparse.Namespace) -> int:
    """Print an event a line, remarks to standard error. Raises UserError where there is nothing of that name."""
    import sys

    from tasks.audit.export.events import export
    from tasks.shared.runtime.errors import UserError
    from tasks.shared.runtime.files import write_text

    score = resolve(chosen.score, chosen.rev)
    named = chosen.score if chosen.score and RUN_ID.fullmatch(chosen.score) else None
    answer = export(score.lineage, score.stage, chosen.namespace, named)
    text = as_json(answer) + "\n" if chosen.json else as_lines(answer)
    for remark in answer.remarks:
        print(f"audit: {plain(remark)}", file=sys.stderr)
    if chosen.output is None:
        print(text, end="")
        return 0
    try:
        write_text(chosen.output, text)
    except OSError as error:
        raise UserError(f"{chosen.output} cannot be written ({error.strerror}); name another file") from None
    show_events(answer)
    return 0


def as_lines(answer: Export) -> str:
    """An event a line, in ASCII: what names hold of control characters is escaped, and every terminal can show it."""
    import json

    return "".join(json.dumps(event, allow_nan=False) + "\n" for event in answer.events)


def show_events(answer: Export) -> None:
    """A table of the runs."""
    rows = [
        (
            event["job"]["name"],
            event["run"]["runId"],
            event["eventTime"],
            len(event["inputs"]),
            len(event["outputs"]),
            short(event["run"]["facets"]["reeltrace_stage"]["manifestSha256"]),
        )
        for event in answer.events
        if event["eventType"] == "COMPLETE"
    ]
    title = f"OpenLineage: {len(answer.events)} events of {answer.state}, namespace {answer.namespace}"
    columns = ("stage", "run", "completed", "inputs", "outputs", "version")
    show(table(title, columns, rows, right=("inputs", "outputs")))
