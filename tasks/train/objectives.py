"""The training objective: the weighted sum of the losses that are on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tasks.shared.artifacts.types import Modality
from tasks.train.losses import InfoNCE, alignment, fusion_as_teacher, tuple_infonce
from tasks.train.views import Plan

if TYPE_CHECKING:
    from tasks.shared.execution.params_train import Train


@dataclass(frozen=True)
class Losses:
    """A loss of a batch."""

    total: torch.Tensor  # a scalar that can be differentiated
    parts: Mapping[str, torch.Tensor]  # what it is made of, by name, each before it is weighted


# The mean over a batch's rows, of groups of embeddings by name (see `tasks.train.inputs.Batch`), each (columns, rows,
# dimensions), of length 1, float32: column by column, row `i` belongs to row `i`. The plan says what they show.
Loss = Callable[[Mapping[str, torch.Tensor], Plan], Losses]


@dataclass(frozen=True)
class Objectives:
    """Adds up the losses whose weight is not 0. The margin for false negatives and hardness apply to `query` alone. A
    document that lacks a modality of the pair is represented by its whole embedding instead, without a gradient."""

    settings: Train

    def __call__(self, embedded: Mapping[str, torch.Tensor], plan: Plan) -> Losses:
        settings, weights = self.settings, self.settings.objectives
        parts: dict[str, torch.Tensor] = {}
        if weights.query or weights.symmetric:
            (queries,), passages = embedded["queries"], embedded["passages"]
            infonce = InfoNCE(settings.temperature, settings.false_negative_margin, settings.hardness)
            if weights.query:
                parts["query"] = infonce(queries, passages)
            if weights.symmetric:
                parts["symmetric"] = infonce(passages[0], queries.unsqueeze(0))
        if weights.of_views:
            fused = embedded["fused" if "fused" in embedded else "passages"][0]
            if weights.tuple:
                places = [place for place, other in enumerate(plan.partners) if other is not None]
                swapped = embedded["swapped"][0][places] if places else fused[:0]
                parts["tuple"] = tuple_infonce(fused, embedded["second"][0], swapped, settings.temperature)
            if plan.pair:
                one, other = (_alone(modality, embedded, fused, plan) for modality in plan.pair)
                temperatures = (self._temperature(plan.pair[0]), self._temperature(plan.pair[1]))
                if weights.teacher:
                    parts["teacher"] = fusion_as_teacher(fused, (one, other), temperatures)
                if weights.alignment:
                    parts["alignment"] = alignment(one, other, temperatures)
        weighted = [getattr(weights, name) * part for name, part in parts.items()]
        return Losses(torch.stack(weighted).sum(), parts)

    def _temperature(self, modality: Modality) -> float:
        own: float | None = getattr(self.settings.temperatures, modality)
        return self.settings.temperature if own is None else own


def _alone(modality: Modality, embedded: Mapping[str, torch.Tensor], fused: torch.Tensor, plan: Plan) -> torch.Tensor:
    lacks = torch.zeros(len(fused), 1, dtype=torch.bool, device=fused.device)
    lacks[list(plan.lacking[modality])] = True
    return torch.where(lacks, fused.detach(), embedded[modality][0])
