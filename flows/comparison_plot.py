"""The plot of a grid: a heat map where it varies two params, else a bar a cell with its interval."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from flows.comparison import interval, value
from flows.names import said
from tasks.shared.artifacts.scores import HEADLINE

if TYPE_CHECKING:
    from flows.cells import Cell

BAR, LEAST = 0.32, 1.6  # inches: of a bar, and of the whole plot
SQUARE = 0.75


def plot(cells: Sequence[Cell]) -> bytes:
    """The headline measure of every cell as PNG."""
    from matplotlib.figure import Figure

    keys = list(cells[0].overrides)
    figure = Figure(layout="constrained", dpi=110)
    axes = figure.add_subplot()
    if len(keys) == 2:
        across, down = (list(dict.fromkeys(said(one.overrides[key]) for one in cells)) for key in (keys[1], keys[0]))
        figure.set_size_inches(2.6 + SQUARE * len(across), 1.6 + 0.6 * SQUARE * len(down))
        numbers = [[float("nan")] * len(across) for _ in down]
        for one in cells:
            row, column = down.index(said(one.overrides[keys[0]])), across.index(said(one.overrides[keys[1]]))
            found = value(one)
            numbers[row][column] = float("nan") if found is None else found
            text, colour = (_without(one), "black") if found is None else (f"{found:.3f}", "white")
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
        axes.imshow(numbers, cmap="viridis", aspect="auto", vmin=0, vmax=max(_top(cells), 0.01) * 1.35)
        axes.set_xticks(range(len(across)), across, rotation=35, ha="right")
        axes.set_yticks(range(len(down)), down)
        axes.set_xlabel(keys[1])
        axes.set_ylabel(keys[0])
        axes.set_title(HEADLINE)
    else:
        figure.set_size_inches(6.5, LEAST + BAR * len(cells))
        for row, one in enumerate(cells):
            found, between = value(one), interval(one)
            if found is None:
                axes.text(0, row, f" {_without(one)}", va="center")
                continue
            axes.barh(row, found, color="#4477aa")
            if between:
                axes.plot(between, [row, row], color="black", linewidth=1.2)
            axes.text(max(found, between[1] if between else 0), row, f" {found:.3f}", va="center")
        axes.set_yticks(range(len(cells)), [one.label for one in cells])
        axes.invert_yaxis()
        axes.set_xlim(0, max(_top(cells), 0.01) * 1.2)
        axes.set_xlabel(f"{HEADLINE} with its 95 % interval")
    stream = io.BytesIO()
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def _without(cell: Cell) -> str:
    """What stands where a cell's number would."""
    return "failed" if cell.failed else "no score"


def _top(cells: Sequence[Cell]) -> float:
    return max((between[1] for one in cells if (between := interval(one))), default=0.0)
