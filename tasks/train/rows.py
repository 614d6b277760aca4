"""Training rows, one for every judged pair with the query's hard negatives; their batches, and what was shown in them.

In-batch negatives are every passage of the batch but the query's own positive. Two queries about one event would make
each other's positives negatives, which the judgments contradict; such rows go to different batches.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from tasks.shared.artifacts.exposures import Exposure, Role

if TYPE_CHECKING:
    from tasks.shared.artifacts.negatives import MinedQuery


@dataclass(frozen=True)
class Row:
    """A training query, one of its positives, and as many negatives as every other row has."""

    query_id: str
    positive: str
    negatives: tuple[str, ...]


def training_rows(
    mined: Iterable[MinedQuery], usable: Sequence[str], negatives: int, seed: int
) -> tuple[list[Row], int]:
    """A row for every query and positive, and how many negatives had to be drawn at random.

    `usable` are training videos that can be read; others are left out. Where mining found fewer negatives than a row
    has, the rest is drawn from `usable`, positives apart, seeded by the query so that other queries change nothing;
    fewer where there are no more videos.
    """
    known = set(usable)
    groups = []
    drawn = 0
    for one in mined:
        hard = [negative.video_id for negative in one.negatives if negative.video_id in known][:negatives]
        others = sorted(known - set(one.positives) - set(hard))
        short = min(negatives - len(hard), len(others))
        if short > 0:
            rng = np.random.default_rng([seed, *one.query_id.encode()])
            hard += [others[index] for index in rng.choice(len(others), size=short, replace=False)]
            drawn += short
        groups += [(one.query_id, positive, tuple(hard)) for positive in one.positives if positive in known]
    width = min((len(hard) for _, _, hard in groups), default=0)
    return [Row(query, positive, hard[:width]) for query, positive, hard in groups], drawn


def exposures_of(
    rows: Sequence[Row],
    batches: Iterable[Sequence[int]],
    mined: Iterable[MinedQuery],
    accumulation_steps: int,
    *,
    contrasted: bool,
) -> list[Exposure]:
    """The exposures of a training: which videos were shown for which query, in which role and steps. `batches` are
    numbers of the rows that are contrasted with each other, so many of which are one step of the optimiser; without
    `contrasted` queries were not shown, and there are no in-batch negatives."""
    hard = {one.query_id: {negative.video_id for negative in one.negatives} for one in mined}
    steps: dict[tuple[str, str, Role], list[int]] = defaultdict(list)
    others: Counter[tuple[str, str, Role]] = Counter()
    for number_of_batch, batch in enumerate(batches):
        step = number_of_batch // accumulation_steps + 1
        queries = {rows[number].query_id for number in batch} if contrasted else set()
        for row in (rows[number] for number in batch):
            passages: list[tuple[str, Role]] = [(row.positive, "positive")]
            passages += [(one, "mined" if one in hard[row.query_id] else "drawn") for one in row.negatives]
            for video_id, role in passages:
                steps[video_id, row.query_id, role].append(step)
                others[video_id, row.query_id, role] += len(queries - {row.query_id})
    return [Exposure(*key, steps[key], others[key]) for key in steps]


def judged_batches(
    rows: Sequence[Row], positives: Mapping[str, frozenset[str]], batch_size: int, epochs: int, seed: int
) -> list[list[int]]:
    """The batches of all epochs in one sequence, each of row numbers; reproducible from the seed. `positives` are all
    judged positives of every query; the last batches of an epoch may have fewer rows."""
    from torch import Generator, randperm

    batches: list[list[int]] = []
    for epoch in range(epochs):
        order = randperm(len(rows), generator=Generator().manual_seed(seed + epoch)).tolist()
        batches += _packed(rows, positives, batch_size, order)
    return batches


@dataclass
class _Batch:
    numbers: list[int] = field(default_factory=list)
    positives: set[str] = field(default_factory=set)  # judged positives of its queries
    passages: set[str] = field(default_factory=set)


def _packed(
    rows: Sequence[Row], positives: Mapping[str, frozenset[str]], batch_size: int, order: Iterable[int]
) -> list[list[int]]:
    """One epoch: each row into the first batch that has room and no clash."""
    batches: list[_Batch] = []
    full = 0  # every batch before this one has no room
    for number in order:
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
