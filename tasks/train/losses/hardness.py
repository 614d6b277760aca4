"""Negatives that weigh more the higher they score (Robinson et al. 2021, "Contrastive learning with hard negative
samples", eq. 4 without the correction for false negatives)."""

from __future__ import annotations

import torch


def hardened(scores: torch.Tensor, beta: float) -> torch.Tensor:
    """The scores (rows, candidates) such that every negative counts in a softmax `exp(beta * score)` times, divided by
    the mean of these weights over its row's negatives. So they count as much as before altogether only where they
    score alike.

    Scores are those over the temperature, as in the paper. Positives are on the diagonal and stay; so does -inf, which
    is no negative. Weights have no gradient.
    """
    with torch.no_grad():
        weights = beta * scores
        weights.fill_diagonal_(-torch.inf)
        negatives = weights.isfinite().sum(dim=1, keepdim=True)
        added = weights - weights.logsumexp(dim=1, keepdim=True) + negatives.log()
        added = added.masked_fill(~weights.isfinite(), 0.0)
    return scores + added
