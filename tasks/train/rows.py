"""Training rows: one for every judged pair, with the query's hard negatives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
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

    Args:
        mined: training queries with positives and mined negatives, best first.
        usable: ids of the training videos that can be read; others are left out.
        negatives: how many a row has. Where mining found fewer, the rest is drawn from `usable`, positives apart,
            seeded by the query so that other queries change nothing; fewer where there are no more videos.
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
    """The exposures of a training: which videos were exposures_of for which query, in which role and steps.

    Args:
        rows: of the training.
        batches: numbers of the rows that are contrasted with each other, in order.
        mined: distinguishes mined negatives from those drawn at random.
        accumulation_steps: so many batches are one step of the optimiser.
        contrasted: whether queries were exposures_of; otherwise there are no in-batch negatives.
    """
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
