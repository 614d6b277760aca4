"""The engine around a loss: gradient caching within a rank, and the embeddings of all ranks side by side.

A contrastive loss needs the embeddings of the whole batch at once, but memory has room for the activations of a few
items, and a rank has only its share of the rows. So (Gao et al. 2021):

1. every rank embeds its share, mini-batch by mini-batch, and keeps the embeddings alone;
2. the ranks exchange embeddings; each computes the loss of the whole batch, and its gradient by its own embeddings;
3. every rank embeds its mini-batches again, with the same dropout, and sends these gradients on into the weights.

The rank that made an embedding differentiates the whole loss by it, so the exchange needs no gradient. A rank's weights
then have its share of the gradient, and DDP adds the shares up once, after the last mini-batch. Where all that a rank
has fits into one mini-batch, step 1 keeps the activations and step 3 need not embed again. Groups of a batch that get
no gradient are embedded once. Shares are padded to the same number of rows, and the padding is cut off before the loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from sentence_transformers.base.losses.gradcache import RandContext
from torch.distributed import all_gather
from torch.nn.parallel import DistributedDataParallel

from tasks.train.inputs import Batch, Features
from tasks.train.losses import Loss

SHORTEST = 0.75  # of a mini-batch's longest item, in tokens
TOKENS = 2048  # at most, of a mini-batch of several items: with more a CPU is slower, as its caches overflow


@dataclass(frozen=True)
class MiniBatch:
    """A few items of one group, and their embeddings."""

    group: Features  # the features of all its items; indexed again when needed, so that none are stored twice
    chosen: torch.Tensor  # the items' places in the group
    before: int  # how many items the groups before it have
    random: RandContext  # the state of the random numbers that they were embedded with
    embedded: torch.Tensor

    @property
    def places(self) -> torch.Tensor:
        """The items' places among those of all groups, one group after the other."""
        return self.before + self.chosen


class Contrast(torch.nn.Module):
    """Computes a loss of a batch that is spread over ranks, in the memory of a mini-batch.

    Args:
        model: a SentenceTransformer, wrapped in DDP where there are several ranks.
        mini_batch_size: the most items (queries or documents) whose activations are remembered at a time.
        dtype: "bfloat16" computes under autocast; embeddings and loss are in float32 all the same.
        rank, ranks: this process's among those of torch.distributed's group.
    """

    parts: Mapping[str, torch.Tensor]  # what the last batch's loss was made of

    def __init__(
        self,
        model: torch.nn.Module,
        loss: Loss,
        mini_batch_size: int,
        *,
        dtype: Literal["float32", "bfloat16"] = "float32",
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        super().__init__()
        self.model = model
        self.loss = loss
        self.mini_batch_size = mini_batch_size
        self.autocast = dtype == "bfloat16"
        self.rank, self.ranks = rank, ranks

    def forward(self, batch: Batch) -> torch.Tensor:
        """The loss of the whole batch, given this rank's share; to differentiate it gives the weights this rank's share
        of the gradient."""
        learnt, fixed = batch["learnt"], batch["fixed"]
        remember = sum(map(_items, learnt.values())) <= self.mini_batch_size
        with torch.set_grad_enabled(remember):
            learnt_batches = self._embedded(learnt)
        with torch.no_grad():
            fixed_batches = self._embedded(fixed)

        own = _in_order(learnt_batches).requires_grad_()
        everything = torch.cat([own, _in_order(fixed_batches)]) if fixed_batches else own
        columns = self._gathered(everything.unflatten(0, (-1, batch["rows"])))[:, : batch["batch_rows"]]
        widths = {name: _items(group) // batch["rows"] for name, group in (learnt | fixed).items()}
        embedded = dict(zip(widths, columns.split(list(widths.values())), strict=True))
        losses = self.loss(embedded, batch["plan"])
        (gradient,) = torch.autograd.grad(losses.total, own)

        self.parts = {name: part.detach() for name, part in losses.parts.items()}
        value = losses.total.detach().requires_grad_()
        value.register_hook(partial(self._backpropagate, learnt_batches, gradient))
        return value

    def _embedded(self, groups: Mapping[str, Features]) -> list[MiniBatch]:
        mini_batches, before = [], 0
        for group in groups.values():
            for chosen in by_length(group["attention_mask"].sum(dim=1), self.mini_batch_size):
                random = RandContext(*group.values())
                mini_batches.append(MiniBatch(group, chosen, before, random, self._embed(group, chosen)))
            before += _items(group)
        return mini_batches

    def _embed(self, group: Features, chosen: torch.Tensor) -> torch.Tensor:
        features = {name: tensor[chosen] for name, tensor in group.items()}
        device = features["input_ids"].device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.autocast):
            embedded: torch.Tensor = self.model(features)["sentence_embedding"]
        return embedded.float()

    def _gathered(self, own: torch.Tensor) -> torch.Tensor:
        """(columns, rows, dimensions) of all ranks, put together by rows; this rank's part keeps its gradient."""
        if self.ranks == 1:
            return own
        parts = [torch.empty_like(own) for _ in range(self.ranks)]
        all_gather(parts, own.detach())
        parts[self.rank] = own
        return torch.cat(parts, dim=1)

    def _backpropagate(self, mini_batches: list[MiniBatch], gradient: torch.Tensor, scale: torch.Tensor) -> None:
        """Bring the gradient by the embeddings into the weights; `scale` is what the loss is multiplied with."""
        whole = gradient * (scale * self.ranks)  # DDP takes the mean over ranks, where the shares are to be added
        parts = [whole[one.places] for one in mini_batches]
        if mini_batches[0].embedded.requires_grad:
            torch.autograd.backward([one.embedded for one in mini_batches], parts)
            return
        for number, (one, part) in enumerate(zip(mini_batches, parts, strict=True), start=1):
            # only with the last are the gradients of all ranks brought together
            ddp = self.model if number < len(mini_batches) and isinstance(self.model, DistributedDataParallel) else None
            with torch.enable_grad(), ddp.no_sync() if ddp else nullcontext():
                with one.random:
                    embedded = self._embed(one.group, one.chosen)
                embedded.backward(part)


def _items(features: Features) -> int:
    return len(features["input_ids"])


def by_length(lengths: torch.Tensor, size: int) -> Iterator[torch.Tensor]:
    """Places of at most `size` items of about the same length at a time, the longest first."""
    order = lengths.argsort(descending=True, stable=True)
    ordered = lengths[order].tolist()
    start = 0
    for end, length in enumerate(ordered):
        most = min(size, max(1, TOKENS // ordered[start]))
        if end - start == most or length < SHORTEST * ordered[start]:
            yield order[start:end]
            start = end
    yield order[start:]


def _in_order(mini_batches: Sequence[MiniBatch]) -> torch.Tensor:
    """Embeddings by place, without a gradient."""
    order = torch.cat([one.places for one in mini_batches]).argsort()
    return torch.cat([one.embedded.detach() for one in mini_batches])[order]
