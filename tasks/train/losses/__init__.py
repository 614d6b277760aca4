"""What is learnt: one file a loss.

A loss sees the embeddings of a whole batch, whatever rank or mini-batch made them, and knows nothing of either: how
they are computed, gathered and given their gradients is `tasks.train.contrast`'s affair.
"""

from __future__ import annotations

from typing import Protocol

import torch


class Loss(Protocol):
    """A mean over the queries of a batch.

    Args:
        queries: (rows, dimensions), of length 1, float32.
        passages: (columns, rows, dimensions), of length 1, float32: first every query's positive, then its negatives,
            best first. Column by column, row `i` belongs to query `i`.

    Returns: a scalar that can be differentiated.
    """

    def __call__(self, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor: ...
