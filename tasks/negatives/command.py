"""`reeltrace audit negatives`: how good the mined negatives are, and a sample of them for people to judge."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from tasks.audit.cli import PER_STRATUM
from tasks.audit.text import as_json
from tasks.lineage.score import state
from tasks.negatives import view
from tasks.negatives.audit import audit_negatives
from tasks.negatives.data import read_data
from tasks.negatives.facts import facts_of
from tasks.negatives.judgments import read_judgments
from tasks.negatives.query import audit_query
from tasks.negatives.sample import write_sample
from tasks.shared.runtime.errors import UserError


def answer(chosen: argparse.Namespace) -> int:
    """Print the answer; always 0. Raises UserError for a wrong name, file or combination."""
    if sum(map(bool, (chosen.query, chosen.sample, chosen.judged))) > 1:
        raise UserError("QUERY, --sample and --judged ask for different things; give one of them")
    if chosen.per_stratum and not chosen.sample:
        raise UserError("--per-stratum says how large --sample is; give both")
    lineage = state(chosen.rev)
    found: Any
    show: Callable[[Any], None]
    if chosen.query:
        found, show = audit_query(lineage, chosen.query), view.show_query
    elif chosen.sample or chosen.judged:
        data = read_data(lineage)
        facts = facts_of(data, data.mined, compared=False)
        if chosen.sample:
            found = write_sample(data, facts, chosen.sample, chosen.per_stratum or PER_STRATUM)
            show = view.show_sample
        else:
            found, show = read_judgments(data, facts, chosen.judged), view.show_judgments
    else:
        found, show = audit_negatives(lineage), view.show_audit
    print(as_json(found)) if chosen.json else show(found)
    return 0
