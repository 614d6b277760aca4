"""InfoNCE (van den Oord et al. 2018): how surely the right one is picked out of all that a batch has."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from tasks.train.losses.hardness import hardened
from tasks.train.losses.masking import without_false_negatives


@dataclass(frozen=True)
class InfoNCE:
    """One way, from anchors to candidates: from queries to documents, or from documents to queries.

    For anchor i, with p+ its positive and p every candidate of every row:
    -log( exp(a·p+ / temperature) / sum over p of exp(a·p / temperature) ).

    Attributes:
        temperature: of the scores.
        margin: candidates whose cosine is above the positive's by more than this are left out; None: none are.
        hardness: beta of `hardened`; 0: all negatives weigh the same.
    """

    temperature: float
    margin: float | None = None
    hardness: float = 0.0

    def __call__(self, anchors: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """The mean over anchors.

        Args:
            anchors: (rows, dimensions), of length 1, float32.
            candidates: (columns, rows, dimensions), of length 1, float32: first every anchor's positive, then columns
                of negatives, of which any row's are everybody's.
        """
        scores = anchors @ candidates.flatten(0, 1).T / self.temperature
        if self.margin is not None:
            scores = without_false_negatives(scores, self.margin / self.temperature)
        if self.hardness:
            scores = hardened(scores, self.hardness)
        positives = torch.arange(len(anchors), device=anchors.device)  # the first column comes first
        return torch.nn.functional.cross_entropy(scores, positives)


def both_ways(
    one: torch.Tensor, other: torch.Tensor, temperature: float, more: torch.Tensor | None = None
) -> torch.Tensor:
    """S(one, other): the mean of InfoNCE from one to the other and back; both are (rows, dimensions), of length 1.

    `more`, (any number, dimensions), are candidates in both directions that are nobody's positive.
    """
    positives = torch.arange(len(one), device=one.device)
    ways = []
    for anchors, candidates in ((one, other), (other, one)):
        everything = candidates if more is None else torch.cat([candidates, more])
        ways.append(torch.nn.functional.cross_entropy(anchors @ everything.T / temperature, positives))
    return (ways[0] + ways[1]) / 2
