"""Documents after the frozen towers, kept while memory allows.

A document comes up once an epoch, once for each query that it is a negative of, and twice each time under gradient
caching. Its frames and sound are read and put through the towers when it first comes up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from tasks.omni.document import Document
from tasks.omni.perceive import Perceived, perceive

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BUDGET = 2 << 30  # bytes


class Seen:
    """Documents by video id, perceived one at a time, so that no document depends on which came with it."""

    def __init__(self, model: SentenceTransformer, documents: Mapping[str, Document]) -> None:
        self.model = model
        self.documents = documents
        self._kept: dict[str, Perceived] = {}
        self._bytes = 0

    def __getitem__(self, video_id: str) -> Perceived:
        if (kept := self._kept.get(video_id)) is not None:
            return kept
        (perceived,) = perceive(self.model, [self.documents[video_id].load()], batch_size=1)
        size = perceived.media.nbytes if perceived.media is not None else 0
        if self._bytes + size <= BUDGET:
            self._kept[video_id] = perceived
            self._bytes += size
        return perceived
