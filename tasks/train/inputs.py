"""From rows to tensors: each rank's share of a batch, and the features that the model reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, TypedDict

import torch

from tasks.omni.document import Document
from tasks.omni.inputs import Item, TowerOutput
from tasks.omni.prompt import QUERY_PREFIX
from tasks.omni.tower_outputs import crop, only, run_towers, swapped
from tasks.train.rows import Row
from tasks.train.views import Plan, Views

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder

Features = dict[str, torch.Tensor]  # of items: the first dimension of each
TOWER_CACHE_BYTES = 2 << 30


@dataclass(frozen=True)
class Share:
    """One rank's rows of a batch, as many as every other rank's."""

    number: int  # of the batch, from 0
    batch: tuple[Row, ...]  # all its rows, over all ranks; shares put side by side begin with them
    places: tuple[int, ...]  # in the batch, in order; padded with its first row, which then counts for nothing

    @property
    def rows(self) -> list[Row]:
        """The rows of the share."""
        return [self.batch[place] for place in self.places]


class Batch(TypedDict):
    """A share's features in groups, each of one column of the share's rows or of several, one after the other.

    Only what the objectives need is there:

    - queries: of the rows;
    - passages: the rows' positives, then first negatives, and so on;
    - fused: the unmodified positives, where the passages do not have them;
    - second: a crop of every modality of the positives;
    - swapped: the positives with one modality of another row's; an empty item without a tuple negative;
    - text, video, audio: the positives with this modality alone; an empty item where they do not have it.

    `learnt` groups get a gradient, `fixed` ones do not.
    """

    learnt: dict[str, Features]
    fixed: dict[str, Features]
    rows: int  # of the share
    batch_rows: int  # over all ranks
    plan: Plan


def shares(rows: Sequence[Row], batches: Sequence[Sequence[int]], rank: int, ranks: int) -> list[Share]:
    """A rank's share of every batch: consecutive rows, so that the shares in order of ranks are the batch."""
    found = []
    for number, batch in enumerate(batches):
        size = -(-len(batch) // ranks)
        places = [*range(len(batch)), *[0] * (size * ranks - len(batch))]
        found.append(Share(number, tuple(rows[one] for one in batch), tuple(places[rank * size : (rank + 1) * size])))
    return found


class TowerCache:
    """Tower outputs of documents by video id, cached for training with frozen towers while memory allows. Documents
    pass through the towers one at a time, so that no output depends on which came with it."""

    def __init__(self, model: SentenceTransformer, documents: Mapping[str, Document]) -> None:
        self.model = model
        self.documents = documents
        self._outputs: dict[str, TowerOutput] = {}
        self._bytes = 0

    def __getitem__(self, video_id: str) -> TowerOutput:
        if (cached := self._outputs.get(video_id)) is not None:
            return cached
        (output,) = run_towers(self.model, [self.documents[video_id].load()], batch_size=1)
        size = output.media.nbytes if output.media is not None else 0
        if self._bytes + size <= TOWER_CACHE_BYTES:
            self._outputs[video_id] = output
            self._bytes += size
        return output


class Inputs:
    """Makes a share's features: what a data loader calls to collate."""

    def __init__(self, embedder: OmniEmbedder, queries: Mapping[str, str], documents: TowerCache, views: Views) -> None:
        self.embedder, self.queries, self.documents, self.views = embedder, queries, documents, views

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
                learnt["second"] = self.embedder.preprocess(self._crops(share, whole))
            for modality in plan.pair or ():
                learnt[modality] = self.embedder.preprocess([only(one, {modality}) for one in whole])
            if plan.swapped and any(other is not None for other in plan.partners):
                fixed["swapped"] = self.embedder.preprocess(self._swapped(share, plan, document))
        return Batch(learnt=learnt, fixed=fixed, rows=len(share.rows), batch_rows=len(share.batch), plan=plan)

    def _passages(self, share: Share, document: Callable[[str], TowerOutput]) -> list[TowerOutput]:
        passages = []
        columns = zip(*([row.positive, *row.negatives] for row in share.rows), strict=True)
        for number, column in enumerate(columns):
            for place, video_id in zip(share.places, column, strict=True):
                passage = document(video_id)
                if self.views.drops:
                    passage = only(passage, self.views.shown_modalities(share.number, place, number, video_id))
                passages.append(passage)
        return passages

    def _crops(self, share: Share, whole: Sequence[TowerOutput]) -> list[TowerOutput]:
        """Second views: crops of what the model reads of the documents, without text beyond its limit."""
        limit = self.embedder.limit(None)
        found = []
        for place, one in zip(share.places, whole, strict=True):
            text = None if one.text is None else self.embedder.prompt.read(one.text, limit)[0]
            draw = self.views.draw("crop", share.number, place)
            found.append(crop(replace(one, text=text), self.views.settings.view, draw))
        return found

    def _swapped(self, share: Share, plan: Plan, document: Callable[[str], TowerOutput]) -> list[TowerOutput]:
        found = []
        for place in share.places:
            own, other = document(share.batch[place].positive), plan.partners[place]
            if plan.swapped is None or other is None:
                found.append(only(own, ()))
            else:
                found.append(swapped(own, document(share.batch[other].positive), plan.swapped))
        return found
