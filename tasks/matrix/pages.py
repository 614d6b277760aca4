"""The matrix as CSV, a row a cell, and as a page of markdown with the claims."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from tasks.matrix.cells import Cell
from tasks.matrix.claims import Claim
from tasks.matrix.matrix import UNTRAINED, Matrix, Number, Subset, label
from tasks.shared.artifacts.scores import HEADLINE


def as_csv(matrix: Matrix, cells: Sequence[Cell]) -> str:
    """Every cell with its interval and the experiment that it comes from; what is not trained comes from none alone."""
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
