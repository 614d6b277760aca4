"""Encoding with one system, as each process does it: the weights once, then items one at a time.

Items are encoded one at a time. Then an item's bytes depend on nothing but itself, so that a run that was killed,
found half its items in the store, or shared them out over several processes gives the bytes of a clean one. It costs
nothing for documents, whose sound differs so much in length that a batch is mostly padding (16 at a time took 1.4
times as long on a CPU), and a few milliseconds a query.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import torch

from tasks.omni.document import Document
from tasks.omni.inputs import Item
from tasks.omni.loading import load_system
from tasks.omni.prompt import QUERY_PREFIX
from tasks.shared.runtime.files import read_json, write_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder
    from tasks.shared.artifacts.index import Encoding
    from tasks.shared.artifacts.models import System

VECTOR, TEXT = "vector.npy", "text.json"


@dataclass(frozen=True)
class TextRead:
    """An item's text as the model read it, cut to the limit, and how many tokens the whole of it has."""

    text: str | None
    tokens: int


@dataclass(frozen=True)
class Prepared:
    """An item as the model takes it: its tensors, on the CPU, and its text as they have it."""

    features: dict[str, torch.Tensor]
    read: TextRead


@dataclass
class Encode:
    """The work: `start` in each process, then for every item `load` and `encode`. It can be sent until it is started.

    Attributes:
        system: whose weights.
        encoding: type of numbers and limits of text.
        threads: of torch on the CPU, in each process.
        gpus: that the stage holds, one for each process; none on a CPU.
    """

    system: System
    encoding: Encoding
    threads: int
    gpus: Sequence[str] = ()
    _model: SentenceTransformer | None = field(default=None, repr=False)

    def start(self, number: int) -> None:
        """Load the weights, onto this process's own GPU. Raises UserError where they cannot be had."""
        if self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[number]
        torch.set_num_threads(self.threads)
        self._model = load_system(self.system, self.encoding)
        # a tokenizer changes itself when it is first asked for plain text; then threads share it
        self._embedder.prompt.read("", self._embedder.limit(None))

    @property
    def _embedder(self) -> OmniEmbedder:
        return cast("OmniEmbedder", self._model[0])  # type: ignore[index]

    def load(self, one: Document | str) -> Prepared:
        """A document, or a query's text: read, proved and made into tensors.

        Raises UserError where a file is missing or is not the one that was extracted.
        """
        assert self._model is not None
        item, prompt = (one.load(), None) if isinstance(one, Document) else (Item(text=one), QUERY_PREFIX)
        features = self._model.preprocess([item], prompt=prompt)
        limit = self._embedder.limit(prompt)
        read = self._embedder.prompt.read(item.text, limit) if item.text else (None, 0)
        return Prepared(features, TextRead(*read))

    def encode(self, item: Prepared, folder: Path) -> None:
        """Write an item's vector and text. Raises ValueError where the vector is not finite."""
        assert self._model is not None
        vector = embed(self._model, item.features)[0]
        if not np.isfinite(vector).all():
            raise ValueError("its vector is not finite")
        np.save(folder / VECTOR, vector, allow_pickle=False)
        write_json(folder / TEXT, asdict(item.read))


def embed(model: SentenceTransformer, features: dict[str, torch.Tensor]) -> np.ndarray:
    """The embeddings of a batch as `preprocess` makes it, float32 (items, dimension), rows of length 1."""
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        output = model(batch_to_device(features, model.device))
        vectors: np.ndarray = output["sentence_embedding"].float().cpu().numpy()
    return vectors


def read_vector(entry: Path) -> np.ndarray:
    """The vector of a finished item, float32 (dimension,)."""
    vector: np.ndarray = np.load(entry / VECTOR, allow_pickle=False)
    return vector


def read_text(entry: Path) -> TextRead:
    """The text that was read of a finished item."""
    return TextRead(**read_json(entry / TEXT))
