"""The matrix as a heat map."""

from __future__ import annotations

import io

from tasks.matrix.matrix import UNTRAINED, Matrix, label
from tasks.shared.artifacts.scores import HEADLINE

WIDTH, HEIGHT = 1.12, 0.62  # inches, of a cell
MARGIN = (2.2, 1.6)  # inches, for what is written beside


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
