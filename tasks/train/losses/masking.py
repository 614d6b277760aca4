"""False negatives, told by their own scores and left out.

A candidate that scores far above a query's positive is often relevant too, and nobody has judged it. NV-Retriever (de
Souza P. Moreira et al. 2024) and GISTEmbed (Solatorio 2024) take such candidates out by another model's scores; here
the model's own decide, as the embeddings that are being learnt have them.
"""

from __future__ import annotations

import torch


def without_false_negatives(scores: torch.Tensor, margin: float) -> torch.Tensor:
    """The scores (rows, candidates) with -inf for candidates above their row's positive, which is on the diagonal, by
    more than the margin. The positive itself stays, whatever the margin."""
    positives = scores.diagonal().unsqueeze(1)
    above = (scores > positives + margin).fill_diagonal_(fill_value=False)
    return scores.masked_fill(above, -torch.inf)
