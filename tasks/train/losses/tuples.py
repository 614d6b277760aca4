"""Tuple-InfoNCE: a document is another view of itself, and no document with one modality of another
(Liu et al. 2021, "Contrastive multimodal fusion with TupleInfoNCE"; as OmniRetriever has it, docs/objectives.md)."""

from __future__ import annotations

import torch

from tasks.train.losses.infonce import both_ways


def tuple_infonce(fused: torch.Tensor, second: torch.Tensor, swapped: torch.Tensor, temperature: float) -> torch.Tensor:
    """S(fused, second), in both directions against the swapped documents too.

    Args:
        fused: the documents, (rows, dimensions), of length 1.
        second: another view of each.
        swapped: documents with one modality of another row's, (any number, dimensions). They get no gradient.
    """
    return both_ways(fused, second, temperature, swapped.detach())
