"""From rows to tensors: each rank's share of a batch, and what the model reads of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypedDict

import torch

from tasks.omni.item import Item
from tasks.omni.parts import only, stretch, swapped
from tasks.omni.perceive import Perceived
from tasks.omni.prompt import QUERY_PREFIX
from tasks.train.rows import Row
from tasks.train.views import Plan, Views

if TYPE_CHECKING:
    from tasks.omni.embedder import OmniEmbedder
    from tasks.train.seen import Seen

Features = dict[str, torch.Tensor]  # of items: the first dimension of each


@dataclass(frozen=True)
class Share:
    """One rank's rows of a batch, as many as every other rank's.

    Attributes:
        number: of the batch, from 0.
        batch: all its rows, over all ranks. Shares put side by side begin with them.
        places: the share's rows in it, in order; where the batch does not divide, the last ranks' end with the batch's
            first row, repeated, which counts for nothing.
    """

    number: int
    batch: tuple[Row, ...]
    places: tuple[int, ...]

    @property
    def rows(self) -> list[Row]:
        """The rows of the share."""
        return [self.batch[place] for place in self.places]


class Batch(TypedDict):
    """A share's features in groups, each of one column of the share's rows or of several, one after the other.

    Only what the objectives need is there:

    - queries: of the rows;
    - passages: the rows' positives, then first negatives, and so on;
    - fused: the positives as they are, where the passages do not have them so;
    - second: a stretch of every modality of the positives;
    - swapped: the positives with one modality of another row's; an item of nothing without a tuple negative;
    - text, video, audio: the positives with this modality alone; an item of nothing where they do not have it.

    `learnt` groups get a gradient, `fixed` ones do not.
    """

    learnt: dict[str, Features]
    fixed: dict[str, Features]
    rows: int  # of the share
    batch_rows: int  # over all ranks
    plan: Plan


def shares(rows: Sequence[Row], batches: Sequence[Sequence[int]], rank: int, ranks: int) -> list[Share]:
    """What a rank does of every batch: consecutive rows, so that rank after rank gives the batch again."""
    found = []
    for number, batch in enumerate(batches):
        size = -(-len(batch) // ranks)
        places = [*range(len(batch)), *[0] * (size * ranks - len(batch))]
        found.append(Share(number, tuple(rows[one] for one in batch), tuple(places[rank * size : (rank + 1) * size])))
    return found


class Inputs:
    """Makes a share's features: what a data loader calls to collate.

    Args:
        embedder: prepares items.
        queries: text by query id.
        documents: what the frozen towers make of a document, by video id.
        views: in what other ways documents are shown.
    """

    def __init__(self, embedder: OmniEmbedder, queries: Mapping[str, str], documents: Seen, views: Views) -> None:
        self.embedder = embedder
        self.queries = queries
        self.documents = documents
        self.views = views

    def __call__(self, loaded: Sequence[Share]) -> Batch:
        (share,) = loaded
        plan = self.views.plan(share.number, share.batch)
        weights = self.views.settings.objectives
        document = cache(self.documents.__getitem__)  # once a batch, in however many views
        learnt: dict[str, Features] = {}
        fixed: dict[str, Features] = {}
        if weights.query or weights.symmetric:
            queries = [Item(text=self.queries[row.query_id]) for row in share.rows]
            learnt["queries"] = self.embedder.preprocess(queries, prompt=QUERY_PREFIX)
            learnt["passages"] = self.embedder.preprocess(self._passages(share, document))
        if weights.of_views:
            whole = [document(row.positive) for row in share.rows]
            if "passages" not in learnt or self.views.drops:
                (learnt if weights.tuple else fixed)["fused"] = self.embedder.preprocess(whole)
            if weights.tuple:
                learnt["second"] = self.embedder.preprocess(self._stretches(share, whole))
            for modality in plan.pair or ():
                learnt[modality] = self.embedder.preprocess([only(one, {modality}) for one in whole])
            if plan.swapped and any(other is not None for other in plan.partners):
                fixed["swapped"] = self.embedder.preprocess(self._swapped(share, plan, document))
        return {
            "learnt": learnt,
            "fixed": fixed,
            "rows": len(share.rows),
            "batch_rows": len(share.batch),
            "plan": plan,
        }

    def _passages(self, share: Share, document: Callable[[str], Perceived]) -> list[Perceived]:
        passages = []
        columns = zip(*([row.positive, *row.negatives] for row in share.rows), strict=True)
        for number, column in enumerate(columns):
            for place, video_id in zip(share.places, column, strict=True):
                passage = document(video_id)
                if self.views.drops:
                    passage = only(passage, self.views.kept(share.number, place, number, video_id))
                passages.append(passage)
        return passages

    def _stretches(self, share: Share, whole: Sequence[Perceived]) -> list[Perceived]:
        """Second views, out of what the model reads of the documents: words beyond its limit are in none."""
        limit = self.embedder.limit(None)
        found = []
        for place, one in zip(share.places, whole, strict=True):
            text = None if one.text is None else self.embedder.prompt.read(one.text, limit)[0]
            draw = self.views.draw("stretch", share.number, place)
            found.append(stretch(replace(one, text=text), self.views.settings.view, draw))
        return found

    def _swapped(self, share: Share, plan: Plan, document: Callable[[str], Perceived]) -> list[Perceived]:
        found = []
        for place in share.places:
            own, other = document(share.batch[place].positive), plan.partners[place]
            if plan.swapped is None or other is None:
                found.append(only(own, ()))
            else:
                found.append(swapped(own, document(share.batch[other].positive), plan.swapped))
        return found
