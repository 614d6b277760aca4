"""Batches in which no passage of one query is a judged positive of another.

In-batch negatives are every passage of the batch but the query's own positive. Two queries about one event would
make each other's positives negatives, which the judgments contradict; such rows go to different batches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch

from tasks.train.rows import Row


def judged_batches(
    rows: Sequence[Row], positives: Mapping[str, frozenset[str]], batch_size: int, epochs: int, seed: int
) -> list[list[int]]:
    """The batches of all epochs in one sequence, each of row numbers; reproducible from the seed.

    Args:
        rows: the training rows.
        positives: for every query id, the ids of all its judged positives.
        batch_size: rows a batch; the last ones of an epoch may be smaller.
        epochs: how often every row comes.
        seed: with the epoch, decides the order.
    """
    return [
        batch
        for epoch in range(epochs)
        for batch in _packed(rows, positives, batch_size, torch.Generator().manual_seed(seed + epoch))
    ]


@dataclass
class _Batch:
    numbers: list[int] = field(default_factory=list)
    positives: set[str] = field(default_factory=set)  # judged positives of its queries
    passages: set[str] = field(default_factory=set)


def _packed(
    rows: Sequence[Row], positives: Mapping[str, frozenset[str]], batch_size: int, order: torch.Generator
) -> list[list[int]]:
    """One epoch: rows in shuffled order, each into the first batch that has room and no clash."""
    batches: list[_Batch] = []
    full = 0  # every batch before this one has no room
    for number in torch.randperm(len(rows), generator=order).tolist():
        row = rows[number]
        judged, shown = positives[row.query_id], {row.positive, *row.negatives}
        batch = next(
            (
                one
                for one in batches[full:]
                if len(one.numbers) < batch_size and judged.isdisjoint(one.passages) and shown.isdisjoint(one.positives)
            ),
            None,
        )
        if batch is None:
            batch = _Batch()
            batches.append(batch)
        batch.numbers.append(number)
        batch.positives |= judged
        batch.passages |= shown
        while full < len(batches) and len(batches[full].numbers) == batch_size:
            full += 1
    return [batch.numbers for batch in batches]
