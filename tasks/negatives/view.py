"""`reeltrace audit negatives`: how good the mined negatives are, and a sample of them for people to judge.

Every answer is a dict of texts, numbers and rows. As JSON it is whole; as text, rows are tables with the columns that
people read, and the rest an outline.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.audit.cli import PER_STRATUM
from tasks.audit.text import Line, Table, as_json, lines, plain, shortened, show, table
from tasks.lineage.score import state
from tasks.negatives.audit import audit_negatives, audit_query
from tasks.negatives.counts import Count
from tasks.negatives.data import read_data
from tasks.negatives.facts import facts_of
from tasks.negatives.sample import read_judgments, write_sample
from tasks.shared.runtime.errors import UserError

NAMED = 10  # rows of long tables
LONG = ("suspects", "dropped", "changed_files")
WORDS = 48  # characters of a transcript or a title
HIDDEN = ("band", "same_event", "same_language", "judged", "duplicates")  # columns that `suspect` says in words


def answer(chosen: argparse.Namespace) -> int:
    """Print the answer; always 0. Raises UserError for a wrong name, file or combination."""
    if sum(map(bool, (chosen.query, chosen.sample, chosen.judged))) > 1:
        raise UserError("QUERY, --sample and --judged ask for different things; give one of them")
    if chosen.per_stratum and not chosen.sample:
        raise UserError("--per-stratum says how large --sample is; give both")
    data = read_data(state(chosen.rev), scored=not (chosen.query or chosen.sample or chosen.judged))
    if chosen.query:
        found = audit_query(data, chosen.query)
    elif chosen.sample or chosen.judged:
        facts = facts_of(data, data.mined, compared=False)
        found = (
            write_sample(data, facts, chosen.sample, chosen.per_stratum or PER_STRATUM)
            if chosen.sample
            else read_judgments(data, facts, chosen.judged)
        )
    else:
        found = audit_negatives(data)
    print(as_json(found)) if chosen.json else show(*(_shown(name, value) for name, value in found.items()))
    return 0


def _shown(name: str, value: Any) -> Sequence[str | Line | Table]:
    """A part of an answer as lines and tables; nothing where it is empty or unknown."""
    if isinstance(value, list):
        first = value[:NAMED] if name in LONG else value
        title = name if len(first) == len(value) else f"{name}, {len(first)} of {len(value)}"
        return [_table(title, first)] if first and isinstance(first[0], dict) else lines(title, first)
    if not isinstance(value, dict):
        return [] if value is None else [f"{name}: {plain(value)}" if name != "summary" else value]
    if all(one is None or _is_row(one) for one in value.values()):
        rows = [
            {"": key, **({"what": one.what, "how many": str(one)} if isinstance(one, Count) else one)}
            for key, one in value.items()
            if one
        ]
        return [_table(name, rows)] if rows else []
    single = {key: one for key, one in value.items() if not isinstance(one, list | dict)}
    deeper = [part for key, one in value.items() if key not in single for part in _shown(key, one)]
    return [*lines(name, [f"{key}: {plain(one)}" for key, one in single.items()]), *deeper]


def _is_row(value: Any) -> bool:
    flat = isinstance(value, dict) and not any(isinstance(one, dict) for one in value.values())
    return flat or isinstance(value, Count)


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows under the names of their first one's fields; numbers are set to the right."""
    names = [name for name in rows[0] if name not in HIDDEN]
    cells = [[_cell(name, row.get(name)) for name in names] for row in rows]
    right = [name for name in names if all(isinstance(row.get(name), int | float | None) for row in rows)]
    return table(title, names, cells, right)


def _cell(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(value) or None
    if isinstance(value, dict):
        return ", ".join(f"{key} {count}" for key, count in value.items()) or "never"
    return shortened(value, WORDS) if name in ("title", "transcript") and value else value
