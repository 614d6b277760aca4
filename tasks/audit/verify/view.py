"""The verification of a state: every file read once, every record compared with every other record of the same thing.

A disagreement is a finding that names both places. Which of them is right is not decided.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from tasks.audit.text import as_json, plain, short, show, size, table
from tasks.audit.verify.answer import Answer, Finding
from tasks.audit.verify.records import check_files, check_links, check_lock, note_changes
from tasks.audit.verify.rows import check_index, check_items, check_videos
from tasks.audit.verify.runs import check_runs
from tasks.audit.verify.state import State, walk
from tasks.lineage.dvc import FOLDER, LOCK, Objects
from tasks.lineage.open import revision, workspace
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError


def answer(chosen: argparse.Namespace) -> int:
    """Print what was checked and found; 0 where all is intact, 1 where anything is missing, altered or extra.

    Raises UserError where there is nothing to verify.
    """
    found = verify(chosen.rev, chosen.deep)
    print(as_json(found)) if chosen.json else _show(found)
    return 0 if found.intact else 1


def verify(rev: str | None = None, deep: bool = False) -> Answer:
    """Verify the workspace, or what a revision of git has in DVC's cache; if `deep`, compute rankings and scores again.

    Raises UserError where there is nothing to verify.
    """
    with opened(rev) as state:
        check_files(state)
        state.answer.manifests = {stage: one.digest for stage, one in state.lineage.executions.items()}
        for check in (check_videos, check_index, check_lock, check_links, check_runs, check_items, note_changes):
            check(state)
        if deep:
            from tasks.audit.verify.deep import check_scores

            check_scores(state)
        return state.answer


@contextmanager
def opened(rev: str | None) -> Iterator[State]:
    """The workspace, or what a commit recorded as far as DVC's cache has it.

    Raises UserError where this is no project, where it has no results at all, and for an unknown commit.
    """
    with tempfile.TemporaryDirectory() as folder:
        unreadable: dict[str, str] = {}
        lineage = revision(rev) if rev else workspace(unreadable=unreadable)
        state = State(lineage, Answer(lineage.name, lineage.commit), Objects(), rev is not None)
        if state.revision:
            state.lineage = replace(lineage, root=Path(folder), objects=None)
            _lay_out(state)
        elif not Path(LOCK).is_file():
            state.answer.unchecked(LOCK, "it is not here: DVC's hashes cannot be compared")
        for path, reason in unreadable.items():
            state.answer.find("unreadable", path, f"the format of {Path(path).name}", None, None, reason)
        recorded = [path for one in lineage.executions.values() for path in (*one.generated, *one.folders)]
        state.files = walk(state.lineage.root, RESULTS, recorded)
        state.digests.read(state.files.values())
        if not state.files and not lineage.lock:
            raise UserError(f"there are no results in {RESULTS}; run `dvc repro`, or `dvc pull` in a clone")
        yield state


def _lay_out(state: State) -> None:
    """Links to DVC's objects where the files of a revision belong; a folder whose list is not to be had is found."""
    for stage, locked in state.lineage.lock.items():
        for out, md5 in locked.outs.items():
            listing = state.listing(md5) if md5.endswith(FOLDER) else {"": md5}
            if listing is None:
                there = "another content" if state.objects.has(md5) else None
                remark = "of its list in DVC's cache; `dvc fetch` may bring it"
                state.answer.compare(out, f"{LOCK} {stage} outs {out}", f"md5 {md5}", there, remark)
            for name, one in (listing or {}).items():
                state.answer.checked["DVC objects"] += 1
                place = state.lineage.root / out / name
                if state.objects.has(one) and not place.is_symlink():  # two stages of a dvc.lock may name it
                    place.parent.mkdir(parents=True, exist_ok=True)
                    place.symlink_to(state.objects.path(one).absolute())


def _show(answer: Answer) -> None:
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
