"""A verification as people read it: what was checked, what is wrong, what could not be checked, and the verdict."""

from __future__ import annotations

import argparse

from tasks.audit.text import as_json, plain, short, show, size, table
from tasks.audit.verify.answer import Answer, Finding


def answer(chosen: argparse.Namespace) -> int:
    """Print what was checked and found; 0 where all is intact, 1 where anything is missing, altered or extra.

    Raises UserError where there is nothing to verify.
    """
    from tasks.audit.verify.verify import verify

    found = verify(chosen.rev, chosen.deep)
    print(as_json(found)) if chosen.json else show_verified(found)
    return 0 if found.intact else 1


def show_verified(answer: Answer) -> None:
    """Print an answer."""
    title = f"verified: {answer.state}" + (f" at {short(answer.commit)}" if answer.commit else "")
    sizes = {what: size(count) for what, count in answer.sizes.items()}
    rows = [[what, count, sizes.get(what, "")] for what, count in answer.checked.items()]
    show(table(title, ["what", "checked", "size"], rows, right=["checked", "size"]))
    if answer.findings:
        show(table("findings", ["kind", "what", "found", "but recorded", "in"], map(_row, answer.findings)))
    if answer.notes:
        notes = [[note.kind, note.where, note.what] for note in answer.notes]
        show(table("notes: no damage", ["kind", "what", "why"], notes))
    show(answer.verdict)


def _row(one: Finding) -> list[str | None]:
    where = one.where + (f" ({one.remark})" if one.remark else "")
    claims = "; ".join(_cut(expected or "no such thing") for expected in one.claims.values())
    return [one.kind, where, _cut(one.found), claims, "; ".join(one.claims)]


def _cut(text: str | None) -> str:
    """A digest or value at a width that leaves room for the others; JSON has it all."""
    shown = plain(text)
    return shown if len(shown) <= 24 else f"{shown[:23]}…"
