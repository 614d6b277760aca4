"""Modified views of documents in training: without modalities, cropped, or with another document's modality.

What a batch shows follows from the seed, the batch's number, and places in it, and from nothing that happened before:
it is the same on every rank, however many there are, and after a training was killed and resumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tasks.shared.artifacts.exposures import Alteration, Altered
from tasks.shared.artifacts.types import MODALITIES, Modality
from tasks.shared.runtime.errors import UserError
from tasks.train.rows import Row

if TYPE_CHECKING:
    from tasks.shared.execution.params_train import Train

PAIRS: tuple[tuple[Modality, Modality], ...] = (("text", "audio"), ("text", "video"), ("audio", "video"))
Contents = Mapping[Modality, str]  # of a document: what it has, and the identity of each


@dataclass(frozen=True)
class Plan:
    """What a batch shows of its rows' positive documents; None and empty where no objective needs it."""

    pair: tuple[Modality, Modality] | None = None  # the documents are shown with each alone
    lacking: Mapping[Modality, tuple[int, ...]] = field(default_factory=dict)  # of the pair: places without it
    swapped: Modality | None = None  # that tuple negatives have from another row
    partners: tuple[int | None, ...] = ()  # the place that each document's tuple negative has it from


@dataclass(frozen=True)
class Views:
    """Plans batches."""

    settings: Train
    seed: int
    contents: Mapping[str, Contents]  # of the documents, by video id

    def plan(self, number: int, rows: Sequence[Row]) -> Plan:
        """The plan of batch `number`; pairs and swapped modalities take turns, batch by batch."""
        objectives, chosen = self.settings.objectives, self.settings.modalities
        documents = [self.contents[row.positive] for row in rows]
        pair, swapped = None, None
        if objectives.teacher or objectives.alignment:
            pairs = [one for one in PAIRS if {*one} <= {*chosen}]
            pair = pairs[number % len(pairs)]
        if objectives.tuple:
            cycle = [one for one in self.settings.tuple_negatives if one in chosen]
            swapped = cycle[number % len(cycle)]
        return Plan(
            pair,
            {one: tuple(at for at, has in enumerate(documents) if one not in has) for one in pair or ()},
            swapped,
            partners(documents, swapped, self.draw("swap", number)) if swapped else (),
        )

    def shown_modalities(self, number: int, place: int, column: int, video_id: str) -> list[Modality]:
        """The modalities that a passage is shown with: each is dropped at its rate, but never all of them. `number` is
        of the batch, `place` of the row in it; `column` is 0 for the row's positive, from 1 its negatives."""
        has = [one for one in MODALITIES if one in self.contents[video_id]]
        rates = self.settings.modality_dropout.model_dump()
        draw = self.draw("drop", number, place, column)
        return [one for one in has if draw.random() >= rates[one]] or [draw.choice(has)]

    @property
    def drops(self) -> bool:
        """Whether passages are ever shown without a modality that they have."""
        return any(self.settings.modality_dropout.model_dump().values())

    def draw(self, *of: str | int) -> Random:
        """The random numbers of one purpose, independent of all other draws."""
        return Random(" ".join(map(str, (self.seed, *of))))


def partners(documents: Sequence[Contents], modality: Modality, draw: Random) -> tuple[int | None, ...]:
    """For every document, the place of another from which it takes a modality, or None.

    The documents that have the modality are put into one random circle, and each takes it from the next: so no document
    takes it from itself, and no two from the same. A document has no partner where it has no other modality, or where
    the partner's content equals its own: a copy of itself is no negative.
    """
    circle = [place for place, contents in enumerate(documents) if modality in contents]
    draw.shuffle(circle)
    found: list[int | None] = [None] * len(documents)
    for place, other in zip(circle, [*circle[1:], *circle[:1]], strict=True):
        own = documents[place]
        if len(own) > 1 and own[modality] != documents[other][modality]:
            found[place] = other
    return tuple(found)


def count_views(views: Views, rows: Sequence[Row], batches: Sequence[Sequence[int]]) -> dict[str, int]:
    """Counts of what the objectives besides `query` can learn from; empty where they are off. Batches of one row are
    reported on standard output. Raises UserError where all batches have one row."""
    objectives = views.settings.objectives
    others = [name for name, weight in objectives if weight and name != "query"]
    if not others:
        return {}
    single = sum(len(batch) == 1 for batch in batches)
    if single == len(batches):
        raise UserError(
            f"train.objectives.{others[0]} needs two rows in a batch, and no batch has them: all queries share their "
            "positives, or there is one; judge more videos or set it 0"
        )
    if single:
        print(f"train: {single} of {len(batches)} batches have one row, from which {', '.join(others)} learn nothing")
    counts = {"batches_of_one": single}
    plans = [views.plan(number, [rows[one] for one in batch]) for number, batch in enumerate(batches)]
    if objectives.tuple:
        found = [partner is not None for plan in plans for partner in plan.partners]
        counts |= {"tuple_negatives": sum(found), "without_tuple_negative": len(found) - sum(found)}
    if objectives.teacher or objectives.alignment:
        lacking = sum(len(places) for plan in plans for places in plan.lacking.values())
        shown = 2 * sum(map(len, batches)) - lacking
        counts |= {"shown_with_one_modality": shown, "lacked_that_modality": lacking}
    return counts


def altered(
    views: Views, rows: Sequence[Row], batches: Sequence[Sequence[int]], accumulation_steps: int
) -> list[Altered]:
    """Tuple negatives, and passages that were shown without a modality; so many batches are one step of the
    optimiser."""
    steps: dict[tuple[str, str, Alteration, Modality, str | None], list[int]] = defaultdict(list)
    for number, batch in enumerate(batches):
        step = number // accumulation_steps + 1
        shown = [rows[one] for one in batch]
        plan = views.plan(number, shown)
        for row, other in zip(shown, plan.partners, strict=False):
            if plan.swapped and other is not None:
                steps[row.positive, row.query_id, "swapped", plan.swapped, shown[other].positive].append(step)
        if not views.drops:
            continue
        for place, row in enumerate(shown):
            for column, video_id in enumerate((row.positive, *row.negatives)):
                remaining = views.shown_modalities(number, place, column, video_id)
                for modality in views.contents[video_id]:
                    if modality not in remaining:
                        steps[video_id, row.query_id, "dropped", modality, None].append(step)
    return [Altered(*key, steps[key]) for key in steps]
