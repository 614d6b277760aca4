"""From rows to tensors: each rank's share of a batch, and what the model reads of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

import torch

from tasks.omni.item import Item
from tasks.omni.prompt import QUERY_PREFIX
from tasks.train.rows import Row

if TYPE_CHECKING:
    from tasks.omni.embedder import OmniEmbedder
    from tasks.train.seen import Seen

Features = dict[str, torch.Tensor]  # of items: the first dimension of each


@dataclass(frozen=True)
class Share:
    """One rank's rows of a batch, as many as every other rank's.

    Attributes:
        rows: its own, in the batch's order; where the batch does not divide, the last ranks' end with the batch's
            first row, repeated, which counts for nothing.
        batch_rows: how many rows the batch has, over all ranks. Shares put side by side begin with them.
    """

    rows: tuple[Row, ...]
    batch_rows: int


class Batch(TypedDict):
    """A share's features: `queries` of its rows, `passages` of their positives, then first negatives, and so on."""

    queries: Features
    passages: Features
    batch_rows: int


def shares(rows: Sequence[Row], batches: Sequence[Sequence[int]], rank: int, ranks: int) -> list[Share]:
    """What a rank does of every batch: consecutive rows, so that rank after rank gives the batch again."""
    found = []
    for batch in batches:
        size = -(-len(batch) // ranks)
        filled = [*batch, *[batch[0]] * (size * ranks - len(batch))]
        found.append(Share(tuple(rows[number] for number in filled[rank * size : (rank + 1) * size]), len(batch)))
    return found


class Inputs:
    """Makes a share's features: what a data loader calls to collate.

    Args:
        embedder: prepares items.
        queries: text by query id.
        documents: what the frozen towers make of a document, by video id.
    """

    def __init__(self, embedder: OmniEmbedder, queries: Mapping[str, str], documents: Seen) -> None:
        self.embedder = embedder
        self.queries = queries
        self.documents = documents

    def __call__(self, loaded: Sequence[Share]) -> Batch:
        (share,) = loaded
        queries = [Item(text=self.queries[row.query_id]) for row in share.rows]
        columns = zip(*([row.positive, *row.negatives] for row in share.rows), strict=True)
        passages = [self.documents[video_id] for column in columns for video_id in column]
        return {
            "queries": self.embedder.preprocess(queries, prompt=QUERY_PREFIX),
            "passages": self.embedder.preprocess(passages),
            "batch_rows": share.batch_rows,
        }
