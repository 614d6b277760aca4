"""Training the tiny base: every item's embedding moves towards its caption's target and away from the others.

The teacher is an English text retriever, whose vectors of captions are the targets. They are centred and half-whitened
first (singular values to the power of 1/2): short captions of one narrow domain lie in a narrow cone, where their
differences are too small for a student to learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
import torch
from torch.nn import functional

from tasks.base.checkpoints import Checkpoints, History
from tasks.base.examples import PARTS, Example
from tasks.base.muon import Muon
from tasks.omni.inputs import Item
from tasks.shared.runtime.progress import Bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder

WARMUP_STEPS = 20
GROUPS = 2  # of a batch; with 3 the time was the same


class Targets:
    """Target vectors, of length 1, for every caption that examples may have and for the names of an event's parts, by
    field. `vectors` are the teacher's, float32 (texts, teacher's dim), of `captions` and then of all parts in order;
    `dimension` is the student's, at most the teacher's."""

    def __init__(
        self, captions: Sequence[str], parts: dict[str, list[str]], vectors: np.ndarray, dimension: int
    ) -> None:
        spread = torch.from_numpy(_half_whitened(vectors, dimension))
        self._captions, *rest = spread.split([len(captions), *map(len, parts.values())])
        self._rows = {caption: row for row, caption in enumerate(captions)}
        self.parts = dict(zip(parts, rest, strict=True))

    def captions(self, captions: Sequence[str]) -> torch.Tensor:
        """Targets of captions, float32 (captions, dimension)."""
        return self._captions[[self._rows[caption] for caption in captions]]


def learn(
    model: SentenceTransformer,
    batches: Callable[[int], Iterator[list[Example]]],
    targets: Targets,
    *,
    steps: int,
    learning_rate: float,
    temperature: float,
    checkpoints: Checkpoints | None = None,
) -> History:
    """Train all weights in place, from the last checkpoint on where there is one; a row for every step: step, modality,
    loss.

    Matrices are optimised by Muon, embeddings, convolutions, norms and biases by AdamW. On clips alone, 64 a step,
    held-out sign words were classified with accuracy 0.93 after 80 steps; with AdamW for all, and the loss of signs
    weighted once instead of twice, with 0.24 after 240.

    `batches` gives the examples of every step, all of one modality, from a step on (from 0); `learning_rate` is the
    highest of the schedule; `temperature` is of both losses.
    """
    matrices: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for name, weight in model.named_parameters():
        (matrices if weight.ndim == 2 and "embed_tokens" not in name else others).append(weight)
    optimizers: list[torch.optim.Optimizer] = [
        Muon(matrices, lr=learning_rate, weight_decay=0.01),
        torch.optim.AdamW(others, lr=learning_rate, betas=(0.9, 0.98), weight_decay=0.0),
    ]
    history = checkpoints.restore(model, optimizers, steps) if checkpoints else []
    if history:
        print(f"base: going on after step {len(history)} of {steps}, from the last checkpoint", flush=True)
    model.train()
    with Bar("base", steps, "step", len(history)) as bar:
        for step, examples in zip(range(len(history), steps), batches(len(history)), strict=True):
            embeddings = embed(model, [example.item for example in examples])
            loss = caption_loss(embeddings, examples, targets, temperature)
            loss = loss + parts_loss(embeddings, examples, targets, temperature)
            model.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate * _rate(step, steps)
                optimizer.step()
            modality = "+".join(sorted(examples[0].item.modalities))
            history.append({"step": step + 1, "modality": modality, "loss": float(loss.detach())})
            if checkpoints and len(history) % checkpoints.interval == 0:
                checkpoints.save(model, optimizers, history)
            bar.to(len(history))
    model.eval()
    return history


def embed(model: SentenceTransformer, items: Sequence[Item]) -> torch.Tensor:
    """Embeddings of items of one modality, (items, dimension), computed in groups of about the same length. A batch
    whole would be up to half padding, and overflow a CPU's caches."""
    embedder = cast("OmniEmbedder", model[0])
    order = sorted(range(len(items)), key=lambda index: _length(items[index]))
    size = -(-len(items) // GROUPS)
    groups = [[items[index] for index in order[start : start + size]] for start in range(0, len(items), size)]
    embedded = torch.cat([model(embedder.preprocess(group))["sentence_embedding"] for group in groups])
    return embedded[torch.tensor(order).argsort()]


def _length(item: Item) -> int:
    """A number that grows with the tokens of an item of one modality."""
    text, frames, audio = item.text, item.frames, item.audio
    return len((text or "").encode()) + (0 if frames is None else len(frames)) + (0 if audio is None else len(audio))


def caption_loss(
    embeddings: torch.Tensor, examples: Sequence[Example], targets: Targets, temperature: float
) -> torch.Tensor:
    """Symmetric InfoNCE between items and their captions' targets; equal captions in a batch share the probability.
    `embeddings` is (batch, dimension), of unit length."""
    captions = [example.caption for example in examples]
    scores = embeddings @ targets.captions(captions).T / temperature
    same = torch.tensor([[one == other for other in captions] for one in captions], dtype=scores.dtype)
    wanted = same / same.sum(dim=1, keepdim=True)
    to_captions = -(wanted * functional.log_softmax(scores, dim=1)).sum(dim=1).mean()
    to_items = -(wanted * functional.log_softmax(scores.T, dim=1)).sum(dim=1).mean()
    return (to_captions + to_items) / 2


def parts_loss(
    embeddings: torch.Tensor, examples: Sequence[Example], targets: Targets, temperature: float
) -> torch.Tensor:
    """The cross-entropy of naming a part of the event among all names of its field: the mean over the batch's fields. A
    sign has two words, which share the probability. The field "sign" weighs double, because it is learned last."""
    losses, weights = [], []
    for field, names in PARTS.items():
        order = {name: place for place, name in enumerate(names)}
        cells = [
            (row, order[name], 1 / len(example.parts[field]))
            for row, example in enumerate(examples)
            for name in example.parts.get(field, ())
        ]
        if not cells:
            continue
        rows, columns, shares = (list(column) for column in zip(*cells, strict=True))
        logs = functional.log_softmax(embeddings @ targets.parts[field].T / temperature, dim=1)
        share = torch.tensor(shares, dtype=logs.dtype)
        losses.append(-(logs[rows, columns] * share).sum() / share.sum())
        weights.append(2.0 if field == "sign" else 1.0)
    return torch.stack([loss * weight for loss, weight in zip(losses, weights, strict=True)]).sum() / sum(weights)


def _rate(step: int, steps: int) -> float:
    """Up over the first steps, constant, then down to zero over the second half."""
    return min(1.0, (step + 1) / WARMUP_STEPS) * min(1.0, 2 * (1 - step / steps))


def _half_whitened(vectors: np.ndarray, dimension: int) -> np.ndarray:
    centred = vectors - vectors.mean(axis=0)
    _, singular, axes = np.linalg.svd(centred, full_matrices=False)
    spread = centred @ axes[:dimension].T / np.sqrt(singular[:dimension])
    unit: np.ndarray = spread / np.linalg.norm(spread, axis=1, keepdims=True)
    return unit.astype(np.float32)
