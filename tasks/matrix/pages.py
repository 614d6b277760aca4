"""The matrix as CSV with a row for every cell, as a page of markdown with the claims, and as a heat map."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from tasks.matrix.claims import Claim
from tasks.matrix.matrix import UNTRAINED, Cell, Matrix, Number, Subset, label
from tasks.shared.artifacts.scores import HEADLINE

WIDTH, HEIGHT = 1.12, 0.62  # inches, of a cell
MARGIN = (2.2, 1.6)  # inches, for what is written beside


def as_csv(matrix: Matrix, cells: Sequence[Cell]) -> str:
    """Every cell with its interval and its experiment; the row of the base system has none of its own."""
    of = {(one.trained, one.indexed): one for one in cells}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trained", "indexed", HEADLINE, "low", "high", "queries", "experiment", "commit"])
    for row in (UNTRAINED, *matrix.rows):
        for column in matrix.columns:
            if (row, column) in matrix.means:
                number, cell = matrix.number((row, column)), of.get((row, column))
                origin = [cell.name, cell.commit] if cell else ["", ""]
                numbers = (number.value, *number.interval)
                table.writerow([label(row), label(column), *(f"{one:.6f}" for one in numbers), matrix.queries, *origin])
    return text.getvalue()


def as_markdown(matrix: Matrix, claims: Sequence[Claim], commit: str) -> str:
    """The table, and each claim with its numbers."""
    head = ["trained on", *(f"searched by {label(column)}" for column in matrix.columns)]
    lines = [
        "# Modality transfer matrix",
        "",
        f"{HEADLINE} of `tuned` over {matrix.queries} test queries, with 95 % bootstrap intervals over the same "
        f"samples of queries in every cell; experiments of commit `{commit[:8]}`, each training once. A row is what "
        "training documents consist of, a column what indexed documents consist of.",
        "",
        _line(head),
        _line(["---"] * len(head)),
        *(_line([label(row), *(_cell(matrix, row, column) for column in matrix.columns)])
          for row in (UNTRAINED, *matrix.rows)),
        "",
        "![the same as a heat map](matrix.png)",
    ]  # fmt: skip
    for number, claim in enumerate(claims, start=1):
        lines += ["", f"## {number}. {claim.sentence}", "", f"**{claim.verdict[0].upper()}{claim.verdict[1:]}.**"]
        if claim.numbers:
            lines += ["", _line(["", "value", "95 % interval"]), _line(["---"] * 3)]
            lines += [_of_claim(name, one) for name, one in claim.numbers.items()]
    return "\n".join(lines) + "\n"


def _of_claim(name: str, number: Number) -> str:
    form = "+.3f" if " less " in name else ".3f"  # of a difference, of a share
    return _line([name, f"{number.value:{form}}", _between(number, form)])


def _cell(matrix: Matrix, row: Subset, column: Subset) -> str:
    if (row, column) not in matrix.means:
        return ""
    number = matrix.number((row, column))
    return f"{number.value:.3f} ({_between(number, '.3f')})"


def _between(number: Number, form: str) -> str:
    low, high = number.interval
    return f"{low:{form}} to {high:{form}}"


def _line(fields: Sequence[str]) -> str:
    return f"| {' | '.join(fields)} |"


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
    for down, row in enumerate(rows):
        for across, column in enumerate(columns):
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
