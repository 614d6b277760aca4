"""Items to vectors, many at a time, as the tests compare them."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from tasks.omni.encode_item import embed
from tasks.omni.inputs import Item


def encode_items(
    model: SentenceTransformer, items: Sequence[Item], *, batch_size: int, prompt: str | None = None
) -> np.ndarray:
    """The items' embeddings, float32 (items, dimension), in the order given."""
    model.eval()
    vectors = np.zeros((len(items), int(model.get_embedding_dimension() or 0)), dtype=np.float32)
    for start in range(0, len(items), batch_size):
        chosen = list(items[start : start + batch_size])
        vectors[start : start + batch_size] = embed(model, model.preprocess(chosen, prompt=prompt))
    return vectors


def item_with(item: Item, modalities: Collection[str]) -> Item:
    """The same item with no other modalities than these."""
    return Item(
        text=item.text if "text" in modalities else None,
        frames=item.frames if "video" in modalities else None,
        audio=item.audio if "audio" in modalities else None,
    )
