"""What is learnt: one file a loss, and `objectives`, which adds up those that are on.

A loss sees the embeddings of a whole batch, whatever rank or mini-batch made them, and knows nothing of either: how
they are computed, gathered and given their gradients is `tasks.train.contrast`'s affair.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from tasks.train.views import Plan


@dataclass(frozen=True)
class Losses:
    """A loss of a batch.

    Attributes:
        total: a scalar that can be differentiated.
        parts: what it is made of, by name, each before it is weighted.
    """

    total: torch.Tensor
    parts: Mapping[str, torch.Tensor]


class Loss(Protocol):
    """A mean over the rows of a batch.

    Args:
        embedded: groups of embeddings by name, each (columns, rows, dimensions), of length 1, float32. Column by
            column, row `i` belongs to row `i` of the batch. `tasks.train.inputs.Batch` says which groups there are.
        plan: what the groups show.
    """

    def __call__(self, embedded: Mapping[str, torch.Tensor], plan: Plan) -> Losses: ...
