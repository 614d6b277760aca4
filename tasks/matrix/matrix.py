"""The modality transfer matrix: training modalities down, inference modalities across, nDCG@10 in every cell.

All intervals rest on the same bootstrap samples of the test queries, those of the evaluate stage: a cell's interval is
the one in its own `metrics.json`, and differences between cells are paired. Each training was run once, so what another
seed of training would change is in no interval.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tasks.evaluate.significance import bounds, draws
from tasks.matrix.cells import Cell, Subset
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.artifacts.types import MODALITIES
from tasks.shared.runtime.errors import UserError

Place = tuple[Subset, Subset]  # trained, indexed
UNTRAINED: Subset = ()  # the row of the base system


@dataclass(frozen=True)
class Number:
    """A mean or a difference, with its 95 % bootstrap interval [low, high]."""

    value: float
    interval: list[float]


@dataclass(frozen=True)
class Matrix:
    """The cells that there are.

    Attributes:
        rows, columns: subsets of the modalities in training and in the index, small ones first.
        means: nDCG@10 by cell, and in the row `UNTRAINED` that of the base system.
        resampled: by cell, the mean of every bootstrap sample: shape (resamples,).
        queries: how many.
    """

    rows: list[Subset]
    columns: list[Subset]
    means: dict[Place, float]
    resampled: dict[Place, np.ndarray]
    queries: int

    def trained(self) -> list[Place]:
        """The cells of trained systems, row by row."""
        return [(row, column) for row in self.rows for column in self.columns if (row, column) in self.means]

    def number(self, place: Place) -> Number:
        """A cell's mean. Raises KeyError where there is no such cell."""
        return Number(self.means[place], bounds(self.resampled[place]))

    def difference(self, place: Place, other: Place) -> Number:
        """A cell less another, over the same queries. Raises KeyError where there is no such cell."""
        return Number(self.means[place] - self.means[other], bounds(self.resampled[place] - self.resampled[other]))


def matrix_of(cells: Sequence[Cell], resamples: int, seed: int) -> Matrix:
    """The matrix of some cells. Raises UserError where they were not scored on the same queries."""
    values: dict[Place, dict[str, float]] = {}
    for one in cells:
        for system, trained in (("tuned", one.trained), ("base", UNTRAINED)):
            scored = {each.query_id: each.values[HEADLINE] for each in one.scores if each.system == system}
            if not scored:
                raise UserError(f"experiment {one.name} has no scores of {system}; the corpus needs training queries")
            values.setdefault((trained, one.indexed), scored)
    queries = sorted(next(iter(values.values())))
    if any(sorted(scored) != queries for scored in values.values()):
        raise UserError("the experiments were scored on different queries; run the grid again at one commit")
    numbers = {place: np.array([scored[query] for query in queries]) for place, scored in values.items()}
    blocks: dict[Place, list[np.ndarray]] = {place: [] for place in numbers}
    for drawn in draws(len(queries), resamples, seed):
        for place, scored_so in numbers.items():
            blocks[place].append(scored_so[drawn].mean(axis=1))
    return Matrix(
        rows=sorted({cell.trained for cell in cells}, key=_order),
        columns=sorted({cell.indexed for cell in cells}, key=_order),
        means={place: float(scored_so.mean()) for place, scored_so in numbers.items()},
        resampled={place: np.concatenate(parts) for place, parts in blocks.items()},
        queries=len(queries),
    )


def label(subset: Subset) -> str:
    """A subset as people read it."""
    return "+".join(subset) or "not trained"


def said(place: Place) -> str:
    """A cell in a sentence."""
    return f"{label(place[0])} searched by {label(place[1])}"


def _order(subset: Subset) -> tuple[int, list[int]]:
    return len(subset), [MODALITIES.index(one) for one in subset]
