"""How training shows documents otherwise than as they are: without modalities, in part, with another's modality.

What a batch shows follows from the seed, the batch's number, and places in it, and from nothing that happened before:
it is the same on every rank, however many there are, and after a training was killed and went on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from tasks.shared.artifacts.types import MODALITIES, Modality
from tasks.train.rows import Row

if TYPE_CHECKING:
    from tasks.shared.execution.params import Train

PAIRS: tuple[tuple[Modality, Modality], ...] = (("text", "audio"), ("text", "video"), ("audio", "video"))
Contents = Mapping[Modality, str]  # of a document: what it has, and the identity of each


@dataclass(frozen=True)
class Plan:
    """What a batch shows of its rows' positive documents.

    Attributes:
        number: of the batch, from 0.
        pair: two modalities, each of which the documents are shown with alone; None where nothing is learnt of them.
        lacking: for each of the pair, the places in the batch of documents that do not have it.
        swapped: the modality that the tuple negatives have from another row; None without them.
        partners: for every place, the place that its document's tuple negative has this modality from; None where it
            has no tuple negative.
    """

    number: int
    pair: tuple[Modality, Modality] | None = None
    lacking: Mapping[Modality, tuple[int, ...]] = field(default_factory=dict)
    swapped: Modality | None = None
    partners: tuple[int | None, ...] = ()


@dataclass(frozen=True)
class Views:
    """Plans batches.

    Attributes:
        settings: of the training.
        seed: of the run.
        contents: of the documents, by video id.
    """

    settings: Train
    seed: int
    contents: Mapping[str, Contents]

    def plan(self, number: int, rows: Sequence[Row]) -> Plan:
        """What batch `number` shows; pairs and swapped modalities come one after the other, batch by batch."""
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
            number,
            pair,
            {one: tuple(at for at, has in enumerate(documents) if one not in has) for one in pair or ()},
            swapped,
            partners(documents, swapped, self.draw("swap", number)) if swapped else (),
        )

    def kept(self, number: int, place: int, column: int, video_id: str) -> list[Modality]:
        """The modalities that a passage is shown with: each is dropped at its rate, and never all of them.

        Args:
            number: of the batch.
            place: of the row in the batch.
            column: 0 for the row's positive, from 1 its negatives.
            video_id: of the document.
        """
        has = [one for one in MODALITIES if one in self.contents[video_id]]
        rates = self.settings.modality_dropout.model_dump()
        draw = self.draw("drop", number, place, column)
        return [one for one in has if draw.random() >= rates[one]] or [draw.choice(has)]

    @property
    def drops(self) -> bool:
        """Whether passages are ever shown without a modality that they have."""
        return any(self.settings.modality_dropout.model_dump().values())

    def draw(self, *of: str | int) -> Random:
        """Random numbers for one thing, whatever else is drawn."""
        return Random(" ".join(map(str, (self.seed, *of))))


def partners(documents: Sequence[Contents], modality: Modality, draw: Random) -> tuple[int | None, ...]:
    """For every document the place of another that it is to have a modality from, or None.

    The documents that have the modality are put into one random circle, and each has it from the next: nobody from
    itself, from nobody twice. One has none where it would have nothing of its own left, or where the other's is equal
    to its own: a copy of itself is no negative.
    """
    circle = [place for place, contents in enumerate(documents) if modality in contents]
    draw.shuffle(circle)
    found: list[int | None] = [None] * len(documents)
    for place, other in zip(circle, [*circle[1:], *circle[:1]], strict=True):
        own = documents[place]
        if len(own) > 1 and own[modality] != documents[other][modality]:
            found[place] = other
    return tuple(found)
