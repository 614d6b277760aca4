"""Negatives, exposures and checkpoint of a comparison, as people read them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest
from pathlib import Path
from typing import Any

from tasks.audit.diff.answer import Difference
from tasks.audit.diff.mined import MinedDifference, Moved, QueryNegatives
from tasks.audit.diff.trained import LAST, CheckpointDifference, ExposureDifference
from tasks.audit.text import Table, short, shortened, table
from tasks.shared.artifacts.exposures import FOLDER

TEXT = 40


def training_tables(found: Difference, top: int) -> Iterable[Table | str]:
    """What differs in what was taught, and in what came of it."""
    if found.negatives:
        yield from _negatives(found.negatives, top)
    if found.exposures:
        yield from _exposures(found.exposures)
    if found.checkpoint:
        yield _checkpoint(found.checkpoint)


def _negatives(found: MinedDifference, top: int) -> Iterable[Table | str]:
    if found.same_bytes:
        yield "Negatives: the same bytes.\n"
        return
    lost = f" ({_counts(found.lost_to)})" if found.lost else ""
    gained = f" ({_counts(found.gained_from)})" if found.gained else ""
    yield (
        f"Negatives: of {found.queries} queries {found.affected} are affected; {found.kept} negatives kept, "
        f"{found.lost} lost{lost}, {found.gained} gained{gained}; "
        f"{found.rescored} of those kept have another rank or score; "
        f"{found.positives_changed} queries have other positives."
    )
    for reason, (a, b) in found.drops.items():
        yield f"Dropped for reason {reason}: {a} -> {b} ({b - a:+d})."
    for side, only in (("A", found.only_a), ("B", found.only_b)):
        if only["queries"]:
            yield f"Mined in {side} only: {only['queries']} queries with {only['negatives']} negatives."
    moved = [one for one in found.by_query if one.moves or one.positives_added or one.positives_removed]
    if moved:
        rows = [row for one in moved[:top] for row in _query(one)]
        title = (
            "Most changed queries" if len(moved) <= top else f"Most changed queries, the first {top} of {len(moved)}"
        )
        columns = ["query", "lost", "rank", "score", "in B", "gained", "rank", "score", "in A"]
        yield table(title, columns, rows, right=["rank", "score"])


def _query(one: QueryNegatives) -> list[tuple[Any, ...]]:
    """A query's rows: its id and words, what it lost to the left, what it gained to the right."""
    lost = [_moved(each) for each in one.lost] + [_positive(video_id) for video_id in one.positives_removed]
    gained = [_moved(each) for each in one.gained] + [_positive(video_id) for video_id in one.positives_added]
    first = [one.query_id, shortened(one.text, TEXT)] if one.text else [one.query_id]
    nothing = ("",) * 4
    rows = zip_longest(first, lost, gained)
    return [(name or "", *(left or nothing), *(right or nothing)) for name, left, right in rows]


def _moved(one: Moved) -> tuple[Any, ...]:
    return one.video_id, one.rank, one.score, one.elsewhere


def _positive(video_id: str) -> tuple[Any, ...]:
    return video_id, "", "", "(a positive)"


def _counts(by: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(by.items(), key=lambda one: -one[1]))


def _exposures(found: ExposureDifference) -> Iterable[Table | str]:
    if found.same_bytes:
        yield "Exposures: training showed the same videos in the same steps.\n"
        return
    if not found.roles:
        yield "Exposures: nothing was trained in A or in B.\n"
        return
    rows = [(role, one.kept, one.lost, one.gained, one.times_a, one.times_b) for role, one in found.roles.items()]
    counted = ["kept", "lost", "gained", "times shown A", "times shown B"]
    yield table("Exposures: pairs of query and video", ["role", *counted], rows, right=counted)
    yield f"{found.other_steps} of the pairs kept were shown in other steps.\n"


def _checkpoint(found: CheckpointDifference) -> Table:
    rows: list[tuple[str, str, str]] = []
    base = {True: "same bytes", False: "differs", None: "not compared"}[found.base_equal]
    rows.append(("base", base, ""))
    if any(not one.trained for one in found.trained):
        a, b = ("yes" if one.trained else f"no: {one.reason}" for one in found.trained)
        rows.append(("trained", a, b))
    rows += [(Path(each.key).relative_to(FOLDER).as_posix(), short(each.a), short(each.b)) for each in found.adapter]
    if not found.adapter and all(one.trained for one in found.trained):
        rows.append(("adapter", "same bytes", ""))
    a, b = (f"{short(one.checkpoint)} ({one.system})" if one else "not to be had" for one in found.weights)
    rows.append(("weights of the index", a, b))
    ends = [(str(one.steps), f"{one.loss:.4f}", f"{one.mean:.4f}") if one else ("-",) * 3 for one in found.curves]
    rows += list(zip(("steps", "last loss", f"mean of the last {LAST}"), *ends, strict=True))
    return table("Checkpoint", ["", "A", "B"], rows)
