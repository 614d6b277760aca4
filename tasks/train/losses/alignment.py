"""Pairwise alignment: a document with one modality alone is the same with another (OmniRetriever,
docs/objectives.md; the loss of CLIP, Radford et al. 2021)."""

from __future__ import annotations

import torch

from tasks.train.losses.infonce import both_ways


def alignment(one: torch.Tensor, other: torch.Tensor, temperatures: tuple[float, float]) -> torch.Tensor:
    """S(one, other), both (rows, dimensions) and of length 1.

    At the geometric mean of their temperatures: as if each side's embeddings were divided by the root of its own.
    """
    return both_ways(one, other, (temperatures[0] * temperatures[1]) ** 0.5)
