"""InfoNCE from query to passage (van den Oord et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class InfoNCE:
    """How surely a query picks its own positive out of every passage of the batch; one way, not from passage to query.

    For query i, with p+ its positive and p every positive and negative of every query:
    -log( exp(q·p+ / temperature) / sum over p of exp(q·p / temperature) ).
    """

    temperature: float

    def __call__(self, queries: torch.Tensor, passages: torch.Tensor) -> torch.Tensor:
        scores = queries @ passages.flatten(0, 1).T / self.temperature
        positives = torch.arange(len(queries), device=queries.device)  # the first column comes first
        return torch.nn.functional.cross_entropy(scores, positives)
