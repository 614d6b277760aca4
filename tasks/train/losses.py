"""Contrastive losses over the embeddings of a whole batch, and the training objective: the weighted sum of those on.

A loss does not depend on which rank or mini-batch made an embedding: how they are computed, gathered and given their
gradients is the concern of `tasks.train.contrast`. All embeddings are float32 and of length 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from tasks.shared.artifacts.types import Modality
from tasks.train.views import Plan

if TYPE_CHECKING:
    from tasks.shared.execution.params_train import Train


@dataclass(frozen=True)
class InfoNCE:
    """InfoNCE (van den Oord et al. 2018), in one direction: from queries to documents, or from documents to queries.

    For anchor i, with p+ its positive and p every candidate of every row:
    -log( exp(a·p+ / temperature) / sum over p of exp(a·p / temperature) ).
    """

    temperature: float  # of the scores
    margin: float | None = None  # candidates whose cosine is above the positive's by more are left out; None: none are
    hardness: float = 0.0  # beta of `hardened`; 0: all negatives weigh the same

    def __call__(self, anchors: torch.Tensor, candidates: torch.Tensor) -> torch.Tensor:
        """The mean over anchors (rows, dimensions). Candidates (columns, rows, dimensions) are every anchor's positive,
        then columns of negatives; those of every row are candidates for all anchors."""
        scores = anchors @ candidates.flatten(0, 1).T / self.temperature
        if self.margin is not None:
            scores = without_false_negatives(scores, self.margin / self.temperature)
        if self.hardness:
            scores = hardened(scores, self.hardness)
        positives = torch.arange(len(anchors), device=anchors.device)  # the first column comes first
        return torch.nn.functional.cross_entropy(scores, positives)


def hardened(scores: torch.Tensor, beta: float) -> torch.Tensor:
    """Scores (rows, candidates) over the temperature with hard negatives weighted up (Robinson et al. 2021,
    "Contrastive learning with hard negative samples", eq. 4 without the correction for false negatives).

    Every negative counts in a softmax `exp(beta * score)` times, divided by the mean of these weights over its row's
    negatives. So they count as much as before altogether only where they score alike. Positives are on the diagonal and
    stay; so does -inf, which is no negative. Weights have no gradient.
    """
    with torch.no_grad():
        weights = beta * scores
        weights.fill_diagonal_(-torch.inf)
        negatives = weights.isfinite().sum(dim=1, keepdim=True)
        added = weights - weights.logsumexp(dim=1, keepdim=True) + negatives.log()
        added = added.masked_fill(~weights.isfinite(), 0.0)
    return scores + added


def without_false_negatives(scores: torch.Tensor, margin: float) -> torch.Tensor:
    """Scores (rows, candidates) with -inf for likely false negatives: candidates that score above their row's positive,
    which is on the diagonal, by more than the margin. The positive itself stays, whatever the margin.

    A candidate that scores far above a query's positive is often relevant too, and not judged. NV-Retriever (de Souza
    P. Moreira et al. 2024) and GISTEmbed (Solatorio 2024) exclude such candidates by another model's scores; here the
    scores of the model that is being trained decide.
    """
    positives = scores.diagonal().unsqueeze(1)
    above = (scores > positives + margin).fill_diagonal_(fill_value=False)
    return scores.masked_fill(above, -torch.inf)


def both_ways(
    one: torch.Tensor, other: torch.Tensor, temperature: float, more: torch.Tensor | None = None
) -> torch.Tensor:
    """S(one, other): the mean of InfoNCE from one to the other and back; both are (rows, dimensions). `more`, (any
    number, dimensions), are candidates in both directions that are no row's positive."""
    positives = torch.arange(len(one), device=one.device)
    ways = []
    for anchors, candidates in ((one, other), (other, one)):
        everything = candidates if more is None else torch.cat([candidates, more])
        ways.append(torch.nn.functional.cross_entropy(anchors @ everything.T / temperature, positives))
    return (ways[0] + ways[1]) / 2


def tuple_infonce(fused: torch.Tensor, second: torch.Tensor, swapped: torch.Tensor, temperature: float) -> torch.Tensor:
    """Tuple-InfoNCE: a document matches another view of itself, and no document with one modality of another row's (Liu
    et al. 2021, "Contrastive multimodal fusion with TupleInfoNCE"; as in OmniRetriever, docs/objectives.md).

    S(fused, second), both (rows, dimensions), with the swapped documents, (any number, dimensions), as negatives in
    both directions, without a gradient.
    """
    return both_ways(fused, second, temperature, swapped.detach())


def fusion_as_teacher(
    fused: torch.Tensor, students: Sequence[torch.Tensor], temperatures: Sequence[float]
) -> torch.Tensor:
    """Fusion as teacher: documents with one modality alone are drawn to the whole documents, which stay in place
    (OmniRetriever, docs/objectives.md): the mean over students of S(sg(fused), student), each at its own temperature.
    All are (rows, dimensions); there is a student and a temperature for each modality."""
    pairs = zip(students, temperatures, strict=True)
    return torch.stack([both_ways(fused.detach(), one, temperature) for one, temperature in pairs]).mean()


def alignment(one: torch.Tensor, other: torch.Tensor, temperatures: tuple[float, float]) -> torch.Tensor:
    """Pairwise alignment: a document with one modality alone matches itself with another (OmniRetriever,
    docs/objectives.md; the loss of CLIP, Radford et al. 2021). S(one, other), both (rows, dimensions), at the geometric
    mean of their temperatures: as if each side's embeddings were divided by the root of its own."""
    return both_ways(one, other, (temperatures[0] * temperatures[1]) ** 0.5)


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
