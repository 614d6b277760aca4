"""The teacher: an English text retriever, whose vectors of captions are the targets of the tiny base.

Its vectors are centred and half-whitened first (singular values to the power of 1/2): short captions of one narrow
domain lie in a narrow cone, where their differences are too small for a student to learn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


class Targets:
    """Target vectors, of length 1, for captions and for the names of parts.

    Args:
        captions: every caption that examples may have.
        parts: names of an event's parts, by field.
        vectors: the teacher's vectors of `captions` and then of all parts in order, float32 (texts, teacher's dim).
        dimension: of the student; at most the teacher's.
    """

    def __init__(
        self, captions: Sequence[str], parts: dict[str, list[str]], vectors: np.ndarray, dimension: int
    ) -> None:
        import torch

        spread = torch.from_numpy(_spread_out(vectors, dimension))
        self._rows = {caption: row for row, caption in enumerate(captions)}
        self._captions = spread[: len(captions)]
        self.parts: dict[str, torch.Tensor] = {}
        start = len(captions)
        for field, names in parts.items():
            self.parts[field] = spread[start : start + len(names)]
            start += len(names)

    def captions(self, captions: Sequence[str]) -> torch.Tensor:
        """Targets of captions, float32 (captions, dimension)."""
        return self._captions[[self._rows[caption] for caption in captions]]


def _spread_out(vectors: np.ndarray, dimension: int) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    spread = centred @ axes[:dimension].T / np.sqrt(singular[:dimension])
    unit: np.ndarray = spread / np.linalg.norm(spread, axis=1, keepdims=True)
    return unit.astype(np.float32)
