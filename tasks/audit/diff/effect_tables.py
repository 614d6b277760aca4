"""Effectiveness of a comparison, as people read it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from tasks.audit.diff.answer import Difference
from tasks.audit.diff.effect import EffectDifference
from tasks.audit.diff.moves import QueryMove
from tasks.audit.text import Table, shortened, table
from tasks.shared.artifacts.scores import HEADLINE, MEASURES

TEXT = 36


def effect_tables(found: Difference, top: int) -> Iterable[Table | str]:
    """What differs in the scores."""
    for caveat in found.caveats or []:
        yield f"mind: {caveat}."
    if found.effect:
        yield _means(found.effect)
        yield _paired(found.effect)
        yield from _moves(found.effect, top)
        for facet, parts in found.effect.slices.items():
            rows = [(name, one.queries, one.a, one.b, _signed(one.difference)) for name, one in parts.items()]
            columns = [facet.replace("_", " "), "n", "A", "B", "B - A"]
            yield table(f"{found.effect.final} {HEADLINE} by {columns[0]}", columns, rows, right=columns[1:])


def _means(found: EffectDifference) -> Table:
    rows: list[tuple[Any, ...]] = []
    for name, measures in found.means.items():
        means = measures.values()
        if all(one.a == one.b for one in means):
            rows.append((name, "A = B", *(one.a for one in means)))
            continue
        rows.append((name, "A", *(one.a for one in means)))
        rows.append(("", "B", *(one.b for one in means)))
        rows.append(("", "B - A", *(_signed(one.difference) for one in means)))
    return table("Means", ["system", "", *MEASURES], rows, right=MEASURES)


def _paired(found: EffectDifference) -> Table:
    rows = []
    for name, one in found.paired.items():
        low, high = one.interval
        counts = (one.queries, one.better, one.worse, one.equal)
        values = (one.a, one.b, _signed(one.difference), f"[{_signed(low)}, {_signed(high)}]", one.p, one.p_holm)
        rows.append((name, *counts, *values))
    settings = found.settings
    title = (
        f"{HEADLINE} over the common queries, paired "
        f"({settings['resamples']} resamples, {settings['permutations']} permutations, seed {settings['seed']})"
    )
    columns = ["system", "n", "better", "worse", "equal", "A", "B", "B - A", "95 %", "p", "p (Holm)"]
    return table(title, columns, rows, right=columns[1:])


def _moves(found: EffectDifference, top: int) -> Iterable[Table]:
    for word, moves in (
        ("gained", [one for one in found.moves if one.difference > 0]),
        ("lost", [one for one in found.moves if one.difference < 0]),
    ):
        if moves:
            title = f"Queries of {found.final} that {word} most: {min(top, len(moves))} of {len(moves)}"
            yield _move_table(title, moves[:top])


def _move_table(title: str, moves: Sequence[QueryMove]) -> Table:
    rows = [
        (
            one.query_id,
            shortened(one.text or "-", TEXT),
            one.type,
            one.language,
            one.a,
            one.b,
            _signed(one.difference),
            f"{one.rank_a or 'none'} -> {one.rank_b or 'none'}",
        )
        for one in moves
    ]
    columns = ["query", "text", "type", "language", "A", "B", "B - A", "first relevant at rank"]
    return table(title, columns, rows, right=columns[4:])


def _signed(value: float) -> str:
    return f"{value:+.4f}"
