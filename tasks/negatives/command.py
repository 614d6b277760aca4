"""`reeltrace audit negatives`: how good the mined negatives are, and a sample of them for people to judge."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.audit.score import positive, state

PER_STRATUM = 10


def arguments(parser: argparse.ArgumentParser) -> None:
    """A query or all, the state, and the sample that is written or read back."""
    parser.add_argument("query", nargs="?", metavar="QUERY", help="one training query's negatives (default: all)")
    parser.add_argument("--rev", metavar="REV", help="of this commit, branch or tag instead of the workspace")
    parser.add_argument("--sample", type=Path, metavar="FILE.csv", help="write a stratified sample for people to judge")
    parser.add_argument(
        "--per-stratum", type=positive, metavar="N", help=f"negatives a stratum of --sample (default: {PER_STRATUM})"
    )
    parser.add_argument("--judged", type=Path, metavar="FILE.csv", help="read a judged sample back: how many are false")
    parser.add_argument("--json", action="store_true", help="print JSON: digests in full, and all that is known")


def run(chosen: argparse.Namespace) -> int:
    """Print the answer. Raises UserError for a wrong name, file or combination."""
    from tasks.audit.show import as_json
    from tasks.negatives import view
    from tasks.negatives.audit import audit_negatives
    from tasks.negatives.data import read_data
    from tasks.negatives.facts import facts_of
    from tasks.negatives.judgments import read_judgments
    from tasks.negatives.query import audit_query
    from tasks.negatives.sample import write_sample
    from tasks.shared.runtime.errors import UserError

    if sum(map(bool, (chosen.query, chosen.sample, chosen.judged))) > 1:
        raise UserError("QUERY, --sample and --judged ask for different things; give one of them")
    if chosen.per_stratum and not chosen.sample:
        raise UserError("--per-stratum says how large --sample is; give both")
    snapshot = state(chosen.rev)
    answer: Any
    show: Callable[[Any], None]
    if chosen.query:
        answer, show = audit_query(snapshot, chosen.query), view.show_query
    elif chosen.sample or chosen.judged:
        data = read_data(snapshot)
        facts = facts_of(data, data.mined, compared=False)
        if chosen.sample:
            answer = write_sample(data, facts, chosen.sample, chosen.per_stratum or PER_STRATUM)
            show = view.show_sample
        else:
            answer, show = read_judgments(data, facts, chosen.judged), view.show_judgments
    else:
        answer, show = audit_negatives(snapshot), view.show_audit
    print(as_json(answer)) if chosen.json else show(answer)
    return 0
