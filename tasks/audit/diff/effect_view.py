"""Effectiveness of two states as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tasks.audit.diff.effect import EffectDifference
from tasks.audit.text import Table, shortened, table
from tasks.shared.artifacts.scores import HEADLINE, MEASURES

WIDTH = 40  # characters of a query


def effect_tables(found: EffectDifference, top: int) -> Iterable[Table]:
    """Means, paired tests, the queries that moved (the first `top`), and slices."""
    rows: list[Sequence[Any]] = []
    for name, measures in found.means.items():
        means = measures.values()
        rows.append((name, "A", *(one.a for one in means)))
        rows.append(("", "B", *(one.b for one in means)))
        rows.append(("", "B - A", *(_signed(one.difference) for one in means)))
    yield table("Means", ["system", "", *MEASURES], rows, right=MEASURES)
    rows = []
    for name, one in found.paired.items():
        interval = f"[{', '.join(map(_signed, one.interval))}]"
        counts = (one.queries, one.better, one.worse, one.equal)
        rows.append((name, *counts, one.a, one.b, _signed(one.difference), interval, one.p, one.p_holm))
    settings = ", ".join(f"{count} {name}" for name, count in found.settings.items())
    columns = ["system", "n", "better", "worse", "equal", "A", "B", "B - A", "95 %", "p", "p (Holm)"]
    title = f"{HEADLINE} over the common queries, paired ({settings})"
    yield table(title, columns, rows, right=columns[1:])
    columns = ["query", "text", "type", "language", "A", "B", "B - A", "first relevant at rank"]
    for word, sign in (("gained", 1), ("lost", -1)):
        moves = [one for one in found.moves if one.difference * sign > 0]
        rows = []
        for move in moves[:top]:
            facts = (move.query_id, shortened(move.text or "-", WIDTH), move.type, move.language, move.a, move.b)
            rows.append((*facts, _signed(move.difference), f"{move.rank_a or 'none'} -> {move.rank_b or 'none'}"))
        title = f"Queries of {found.final} that {word} most: {len(rows)} of {len(moves)}"
        yield table(title, columns, rows, right=columns[4:])
    for facet, parts in found.slices.items():
        rows = [(name, part.queries, part.a, part.b, _signed(part.difference)) for name, part in parts.items()]
        columns = [facet.replace("_", " "), "n", "A", "B", "B - A"]
        yield table(f"{found.final} {HEADLINE} by {columns[0]}", columns, rows, right=columns[1:])


def _signed(value: float) -> str:
    return f"{value:+.4f}"
