"""Items to vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tasks.omni.inputs import Item
from tasks.shared.runtime.progress import progress

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer


def encode_items(
    model: SentenceTransformer,
    items: Sequence[Item],
    *,
    batch_size: int,
    prompt: str | None = None,
    what: str = "encode",
) -> np.ndarray:
    """The items' embeddings, float32 (items, dimension), rows of length 1, in the order given.

    Batches hold items of about the same length, longest first, so that little is padding. How items fall into
    batches changes an embedding by less than 1e-5.

    Args:
        model: from `load_embedder` or `build_tiny`.
        items: held in memory with their frames and sound: give one shard at a time.
        batch_size: items in a forward pass.
        prompt: prefix of every text; `prompt.QUERY_PREFIX` for queries.
        what: what the progress bar says.
    """
    vectors = np.zeros((len(items), int(model.get_embedding_dimension() or 0)), dtype=np.float32)
    order = sorted(range(len(items)), key=lambda index: -_length(items[index]))
    starts = range(0, len(order), batch_size)
    model.eval()
    for start in progress(starts, what, unit="batch") if len(starts) > 1 else starts:
        chosen = order[start : start + batch_size]
        vectors[chosen] = embed(model, model.preprocess([items[index] for index in chosen], prompt=prompt))
    return vectors


def embed(model: SentenceTransformer, features: dict[str, torch.Tensor]) -> np.ndarray:
    """The embeddings of a batch as `preprocess` makes it, float32 (items, dimension), rows of length 1."""
    import torch
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        output = model(batch_to_device(features, model.device))
        vectors: np.ndarray = output["sentence_embedding"].float().cpu().numpy()
    return vectors


def _length(item: Item) -> int:
    """About how many tokens an item has."""
    text = len(item.text) // 3 if item.text else 0
    video = item.frames.size // (2 * 28 * 28 * 3) if item.frames is not None else 0
    audio = len(item.audio) // 640 if item.audio is not None else 0
    return text + video + audio
