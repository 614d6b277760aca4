"""The matrix as CSV with a row for every cell, as a page of markdown with the claims, and as a heat map."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from itertools import product

from tasks.matrix.claims import Claim
from tasks.matrix.matrix import UNTRAINED, Cell, Matrix, Number, label
from tasks.shared.artifacts.scores import HEADLINE

WIDTH, HEIGHT = 1.12, 0.62  # inches, of a cell
MARGIN = (2.2, 1.6)  # inches, for what is written beside


def as_csv(matrix: Matrix, cells: Sequence[Cell]) -> str:
    """Every cell with its interval and its experiment; the row of the base system has none of its own."""
    of = {(one.trained, one.indexed): [one.name, one.commit] for one in cells}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trained", "indexed", HEADLINE, "low", "high", "queries", "experiment", "commit"])
    for row, column in product((UNTRAINED, *matrix.rows), matrix.columns):
        if (row, column) in matrix.means:
            number = matrix.number((row, column))
            numbers = [f"{one:.6f}" for one in (number.value, *number.interval)]
            origin = of.get((row, column), ["", ""])
            table.writerow([label(row), label(column), *numbers, matrix.queries, *origin])
    return text.getvalue()


def as_markdown(matrix: Matrix, claims: Sequence[Claim], commit: str) -> str:
    """The table, and each claim with its numbers."""
    rows = [
        [
            label(row),
            *(_shown(matrix.number((row, one))) if (row, one) in matrix.means else "" for one in matrix.columns),
        ]
        for row in (UNTRAINED, *matrix.rows)
    ]
    lines = [
        "# Modality transfer matrix",
        "",
        f"{HEADLINE} of `tuned` over {matrix.queries} test queries, with 95 % bootstrap intervals over the same "
        f"samples of queries in every cell; experiments of commit `{commit[:8]}`, each training once. A row is what "
        "training documents consist of, a column what indexed documents consist of.",
        "",
        *_table(["trained on", *(f"searched by {label(column)}" for column in matrix.columns)], rows),
        "",
        "![the same as a heat map](matrix.png)",
    ]
    for number, claim in enumerate(claims, start=1):
        lines += ["", f"## {number}. {claim.sentence}", "", f"**{claim.verdict[0].upper()}{claim.verdict[1:]}.**"]
        if claim.numbers:  # of a difference, or of a share
            values = [[name, _shown(one, "+.3f" if " less " in name else ".3f")] for name, one in claim.numbers.items()]
            lines += ["", *_table(["", "value (95 % interval)"], values)]
    return "\n".join(lines) + "\n"


def _shown(number: Number, form: str = ".3f") -> str:
    low, high = number.interval
    return f"{number.value:{form}} ({low:{form}} to {high:{form}})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(fields)} |" for fields in (head, ["---"] * len(head), *rows)]


def heat_map(matrix: Matrix) -> bytes:
    """PNG: training down, inference across, in every cell the mean and below it its 95 % interval."""
    from matplotlib.figure import Figure

    rows, columns = [UNTRAINED, *matrix.rows], matrix.columns
    size = (MARGIN[0] + WIDTH * len(columns), MARGIN[1] + HEIGHT * len(rows))
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.add_subplot()
    numbers = [[matrix.means.get((row, column), float("nan")) for column in columns] for row in rows]
    top = max(*matrix.means.values(), 0.01)
    axes.imshow(numbers, cmap="viridis", aspect="auto", vmin=0, vmax=top)
    for (down, row), (across, column) in product(enumerate(rows), enumerate(columns)):
        if (row, column) not in matrix.means:
            axes.text(across, down, "not run", ha="center", va="center", color="grey", fontsize=7)
            continue
        number = matrix.number((row, column))
        low, high = number.interval
        ink = "black" if number.value > 0.65 * top else "white"  # on viridis, whose upper third is light
        axes.text(across, down - 0.14, f"{number.value:.3f}", ha="center", va="center", color=ink, fontsize=10)
        axes.text(across, down + 0.24, f"{low:.3f}–{high:.3f}", ha="center", va="center", color=ink, fontsize=6.5)
    axes.axhline(0.5, color="white", linewidth=3)  # apart from what was trained
    axes.set_xticks(range(len(columns)), [label(one) for one in columns], rotation=25, ha="right")
    axes.set_yticks(range(len(rows)), [label(one) for one in rows])
    axes.set_xlabel("modalities of indexed documents")
    axes.set_ylabel("modalities of training documents")
    axes.set_title(f"{HEADLINE} over {matrix.queries} test queries, 95 % intervals", fontsize=10)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()
