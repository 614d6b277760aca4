"""Items to vectors with one system, as each process does it: the weights once, then items one at a time.

One at a time, an item's bytes depend on nothing but itself: a run that was killed, found half its items in the store,
or shared them out over processes gives the bytes of a clean one. It costs nothing for documents, whose sound differs so
much in length that a batch is mostly padding (16 at a time took 1.4 times as long on a CPU), and little for queries.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from tasks.omni.document import Document
from tasks.omni.inputs import Item
from tasks.omni.loading import load_system
from tasks.omni.prompt import QUERY_PREFIX
from tasks.shared.runtime.files import read_json, write_json

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.shared.artifacts.index import Encoding
    from tasks.shared.artifacts.models import System

VECTOR, TEXT = "vector.npy", "text.json"


@dataclass(frozen=True)
class TextRead:
    """An item's text as the model read it, cut to the limit, and how many tokens the whole of it has."""

    text: str | None
    tokens: int


Prepared = tuple[dict[str, torch.Tensor], TextRead]  # an item's tensors, on the CPU, and its text as they have it


@dataclass
class ItemEncoder:
    """`start` in each process, then for every item `load` and `encode`. It can be sent until it is started."""

    system: System
    encoding: Encoding  # type of numbers and limits of text
    threads: int  # of torch on the CPU, in each process
    gpus: Sequence[str] = ()  # that the stage holds, one for each process; none on a CPU
    _model: Any = field(default=None, repr=False)  # a SentenceTransformer

    def start(self, number: int) -> None:
        """Load the weights, onto this process's own GPU. Raises UserError where they cannot be had."""
        if self.gpus:
            os.environ["CUDA_VISIBLE_DEVICES"] = self.gpus[number]
        torch.set_num_threads(self.threads)
        self._model = load_system(self.system, self.encoding)
        # a tokenizer changes itself when it is first asked for plain text; then threads share it
        self._model[0].prompt.read("", self._model[0].limit(None))

    def load(self, one: Document | str) -> Prepared:
        """A document, or a query's text: read, proved and made into tensors. Raises UserError where a file is missing
        or is not the one that was extracted."""
        item, prompt = (one.load(), None) if isinstance(one, Document) else (Item(text=one), QUERY_PREFIX)
        features = self._model.preprocess([item], prompt=prompt)
        embedder = self._model[0]
        read = embedder.prompt.read(item.text, embedder.limit(prompt)) if item.text else (None, 0)
        return features, TextRead(*read)

    def encode(self, item: Prepared, folder: Path) -> None:
        """Write an item's vector and text. Raises ValueError where the vector is not finite."""
        features, read = item
        vector = embed(self._model, features)[0]
        if not np.isfinite(vector).all():
            raise ValueError("its vector is not finite")
        np.save(folder / VECTOR, vector, allow_pickle=False)
        write_json(folder / TEXT, asdict(read))


def embed(model: SentenceTransformer, features: dict[str, torch.Tensor]) -> np.ndarray:
    """The embeddings of a batch as `preprocess` makes it, float32 (items, dimension), rows of length 1."""
    from sentence_transformers.util import batch_to_device

    with torch.inference_mode():
        output = model(batch_to_device(features, model.device))
        vectors: np.ndarray = output["sentence_embedding"].float().cpu().numpy()
    return vectors


def read_vector(entry: Path) -> np.ndarray:
    """The vector of a finished item, float32 (dimension,)."""
    return np.load(entry / VECTOR, allow_pickle=False)


def read_text(entry: Path) -> TextRead:
    """The text that was read of a finished item."""
    return TextRead(**read_json(entry / TEXT))
