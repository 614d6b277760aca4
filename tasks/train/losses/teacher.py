"""Fusion as teacher: documents with one modality alone learn to be where the whole documents are, which stay there
(OmniRetriever, docs/objectives.md)."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tasks.train.losses.infonce import both_ways


def fusion_as_teacher(
    fused: torch.Tensor, students: Sequence[torch.Tensor], temperatures: Sequence[float]
) -> torch.Tensor:
    """The mean over students of S(sg(fused), student), each at its own temperature.

    Args:
        fused: the documents, (rows, dimensions), of length 1. They get no gradient.
        students: the same with one modality alone, for each of the modalities.
        temperatures: for each of the modalities.
    """
    taught = [both_ways(fused.detach(), one, heat) for one, heat in zip(students, temperatures, strict=True)]
    return torch.stack(taught).mean()
