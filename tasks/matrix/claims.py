"""The three claims of OmniEmbed-MultiVENT on modalities, checked against a matrix.

A claim whose cells are not all there names the one that is missing. A difference counts where its 95 % interval
excludes 0; there is no correction for the number of differences.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tasks.evaluate.significance import bounds
from tasks.matrix.matrix import Matrix, Number, Place, Subset, format_place, label
from tasks.shared.artifacts.types import MODALITIES

TEXT: Subset = ("text",)
NON_TEXT: tuple[Subset, ...] = (("video", "audio"), ("video",), ("audio",))
ALL: Subset = MODALITIES

ROWS, COLUMNS, RESIDUAL = "share of training", "share of inference", "share of their interplay"
ROUNDING = 1e-24  # of a sum of squares of numbers in [0, 1]


@dataclass(frozen=True)
class Claim:
    """A claim, whether it `holds`, `does not hold` or `cannot be said`, and why; and the differences or shares of
    variance that this rests on."""

    sentence: str
    verdict: str
    numbers: dict[str, Number]


def claims(matrix: Matrix) -> list[Claim]:
    """The three claims."""
    found = []
    for sentence, check in (
        ("Non-text modalities alone are comparable to text alone.", non_text),
        ("All modalities together are best.", together),
        ("The modalities at inference decide more than those in training.", inference),
    ):
        try:
            found.append(Claim(sentence, *check(matrix)))
        except KeyError as error:
            lacking = f"cannot be said: the grid lacks the cell {format_place(error.args[0])}"
            found.append(Claim(sentence, lacking, {}))
    return found


def non_text(matrix: Matrix) -> tuple[str, dict[str, Number]]:
    """Each non-text subset less text: trained on what is indexed, and trained on everything.

    The claim holds where video+audio, trained on what is indexed, is not surely worse.
    """
    numbers = {}
    for subset in NON_TEXT:
        less = f"{label(subset)} less text"
        numbers[f"{less}, each trained on itself"] = matrix.difference((subset, subset), (TEXT, TEXT))
        numbers[f"{less}, both trained on everything"] = matrix.difference((ALL, subset), (ALL, TEXT))
    low, high = next(iter(numbers.values())).interval
    if high < 0:
        return "does not hold: text alone is ahead", numbers
    return f"holds: {'non-text alone is even ahead' if low > 0 else 'neither is surely ahead'}", numbers


def together(matrix: Matrix) -> tuple[str, dict[str, Number]]:
    """Everything in training and index less the best of the others: of the same training, of those that were trained
    on what is indexed, and of all cells. Which is the best is decided on the same queries.
    """
    whole: Place = (ALL, ALL)
    if whole not in matrix.means:
        raise KeyError(whole)
    others = [place for place in matrix.trained() if place != whole]
    if not others:
        return "cannot be said: there is no other cell", {}
    numbers = {}
    for name, places in {
        "the best other index of the same training": [place for place in others if place[0] == ALL],
        "the best other subset, each trained on itself": [place for place in others if place[0] == place[1]],
        "the best other cell": others,
    }.items():
        if places:
            best = max(places, key=lambda place: matrix.means[place])
            numbers[f"everything less {name} ({format_place(best)})"] = matrix.difference(whole, best)
    ahead = sum(matrix.difference(whole, place).interval[0] > 0 for place in others)
    counted = f"surely ahead of {ahead} of the {len(others)} other cells"
    if matrix.means[whole] <= matrix.means[best]:
        much = "more" if matrix.means[whole] < matrix.means[best] else "as much"
        return f"does not hold: {format_place(best)} scores {much}; {counted}", numbers
    return f"holds{'' if ahead == len(others) else ' for the means'}: {counted}", numbers


def inference(matrix: Matrix) -> tuple[str, dict[str, Number]]:
    """Shares of the matrix's variance, and how much larger the columns' is than the rows'."""
    means = _table(matrix, {place: np.array([mean]) for place, mean in matrix.means.items()})
    observed, resampled = shares(means), shares(_table(matrix, matrix.resampled))
    if np.isnan([*observed.values()]).any():
        return "cannot be said: the cells do not differ", {}
    numbers = {name: Number(float(one[0]), bounds(resampled[name])) for name, one in observed.items()}
    more = Number(float(observed[COLUMNS][0] - observed[ROWS][0]), bounds(resampled[COLUMNS] - resampled[ROWS]))
    numbers = {name: numbers[name] for name in (COLUMNS, ROWS, RESIDUAL)} | {f"{COLUMNS} less {ROWS}": more}
    if more.interval[0] > 0:
        return "holds", numbers
    return f"does not hold: {'training decides more' if more.interval[1] < 0 else 'neither surely more'}", numbers


def _table(matrix: Matrix, of: dict[Place, np.ndarray]) -> np.ndarray:
    """Values by cell as one array of shape (samples, rows, columns)."""
    return np.stack([np.stack([of[row, column] for column in matrix.columns], 1) for row in matrix.rows], 1)


def shares(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Two-way analysis of variance with one value a cell: parts of the sum of squares around the grand mean.

    With m the grand mean, r_i and c_j the means of rows and columns less m, the whole is sum (x_ij - m)^2; rows have
    J sum r_i^2 of it, columns I sum c_j^2, and the rest is interplay and noise, of which all have some in few queries.

    Tables are of shape (samples, I, J), each part's share in [0, 1] of (samples,); NaN where all cells are equal.
    """
    _, rows, columns = tables.shape
    centred = tables - tables.mean(axis=(1, 2), keepdims=True)
    of_rows = columns * (centred.mean(axis=2) ** 2).sum(axis=1)
    of_columns = rows * (centred.mean(axis=1) ** 2).sum(axis=1)
    whole = (centred**2).sum(axis=(1, 2))
    whole[whole < ROUNDING] = np.nan
    return {ROWS: of_rows / whole, COLUMNS: of_columns / whole, RESIDUAL: 1 - (of_rows + of_columns) / whole}
