"""How much of a matrix's variance lies between its rows, between its columns, and in neither."""

from __future__ import annotations

import numpy as np

ROWS, COLUMNS, RESIDUAL = "share of training", "share of inference", "share of their interplay"
ROUNDING = 1e-24  # of a sum of squares of numbers in [0, 1]


def shares(tables: np.ndarray) -> dict[str, np.ndarray]:
    """Two-way analysis of variance with one value a cell: parts of the sum of squares around the grand mean.

    With m the grand mean, r_i and c_j the means of rows and columns less m, the whole is sum (x_ij - m)^2; rows have
    J sum r_i^2 of it, columns I sum c_j^2, and the rest is interplay and noise. A row or column effect is noisy too, so
    in samples of few queries each share has some of the noise.

    Args:
        tables: shape (samples, I, J).

    Returns:
        By part, its share in [0, 1] in every sample: shape (samples,); NaN where all cells are equal but for rounding.
    """
    _, rows, columns = tables.shape
    centred = tables - tables.mean(axis=(1, 2), keepdims=True)
    of_rows = columns * (centred.mean(axis=2) ** 2).sum(axis=1)
    of_columns = rows * (centred.mean(axis=1) ** 2).sum(axis=1)
    whole = (centred**2).sum(axis=(1, 2))
    whole[whole < ROUNDING] = np.nan
    return {ROWS: of_rows / whole, COLUMNS: of_columns / whole, RESIDUAL: 1 - (of_rows + of_columns) / whole}
