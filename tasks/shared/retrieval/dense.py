"""The dense text retriever: texts to vectors by a sentence-transformers model named in params, kept in the item store.

An item is a chunk of texts, not a text: the last bits of a vector depend on what it is batched with, and encoding one
text at a time costs three times as much. Texts are put into chunks by length, so the same texts make the same chunks
and are not encoded again; with a text more or less, chunks of texts up to its length are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.execution.items import ItemStore, code_digest
from tasks.shared.execution.params import Retriever
from tasks.shared.retrieval import text_encoder
from tasks.shared.retrieval.remote_code import check_code, commit_of
from tasks.shared.runtime.gpu import visible_gpus
from tasks.shared.runtime.models import resolve_model
from tasks.shared.runtime.progress import Bar

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHUNK = 256  # texts that are kept together
BATCH = 32  # texts that the model reads at once, fewer where they are long:
CHARACTERS = 1 << 17  # of a batch with its padding, which bounds the memory it takes
ITEM = "vectors.npy"


class DenseRetriever:
    """A text encoder, loaded when the store lacks something. It cuts a text at the length it is published with.

    Raises UserError, before any text is encoded, where the model cannot be found, and where it comes with code that
    may not run (`remote_code`); and when it is loaded, where that fails.

    Args:
        params: names the model.
        threads: of torch on the CPU, which decide the last bits.
        take_gpus: called before the model is loaded.

    Attributes:
        asked: how many vectors it was asked for; reused: how many of them came from the store.
    """

    def __init__(self, params: Retriever, threads: int, take_gpus: Callable[[], object]) -> None:
        self.params = params
        self.model = resolve_model(params.model, params.revision, "retriever")
        self.take_gpus = take_gpus
        self.asked = self.reused = 0
        check_code(self.model, params.trust_remote_code, params.revision)
        self._digest = self.model.digest()  # once: it reads every byte of a directory
        self._encoder: SentenceTransformer | None = None
        self._store = ItemStore(
            "texts",
            {
                "model": [self._digest, commit_of(self.model)],
                "dimensions": params.dimensions,
                "dtype": params.dtype,
                "threads": threads,
                "device": "cuda" if visible_gpus() else "cpu",
                "versions": [
                    version(name) for name in ("sentence-transformers", "tokenizers", "torch", "transformers")
                ],
                "code": [code_digest(text_encoder), [CHUNK, BATCH, CHARACTERS]],
            },
        )

    def identity(self) -> dict[str, str | None]:
        """The model as params name it, its revision on the hub, and what decides its weights."""
        return {"model": self.params.model, "revision": self.model.revision, "digest": self._digest}

    def queries(self, texts: Mapping[str, str]) -> Vectors:
        """Queries by id to normalised vectors, with the query prompt before each."""
        return self._encode(texts, self.params.query_prompt, "encode queries")

    def documents(self, texts: Mapping[str, str]) -> Vectors:
        """Documents by id to normalised vectors, with the document prompt before each."""
        return self._encode(texts, self.params.document_prompt, "encode texts")

    def _encode(self, texts: Mapping[str, str], prompt: str, what: str) -> Vectors:
        if not texts:
            return Vectors([], np.empty((0, 0), np.float32))
        ids = sorted(texts, key=lambda one: -len(texts[one]))  # of about the same length together: little padding
        vectors: dict[str, np.ndarray] = {}
        with Bar(what, len(ids), "text") as bar:
            for start in range(0, len(ids), CHUNK):
                chunk = ids[start : start + CHUNK]
                vectors |= zip(chunk, self._chunk([texts[one] for one in chunk], prompt), strict=True)
                bar.to(len(vectors))
        return Vectors(list(texts), np.stack([vectors[one] for one in texts]))

    def _chunk(self, texts: Sequence[str], prompt: str) -> np.ndarray:
        """Vectors of texts, the longest first; float32 (texts, dimensions)."""
        key = self._store.key(prompt, *texts)
        self.asked += len(texts)
        if (entry := self._store.get(key)) is not None:
            self.reused += len(texts)
        else:
            entry = self._store.put(key, lambda folder: self._write(folder, texts, prompt))
        found: np.ndarray = np.load(entry / ITEM, allow_pickle=False)
        return found

    def _write(self, folder: Path, texts: Sequence[str], prompt: str) -> None:
        if self._encoder is None:
            self.take_gpus()
            self._encoder = text_encoder.load_text_encoder(self.model, self.params)
        values = self._encoder.encode(
            list(texts),
            prompt=prompt,  # empty means none, also where the model names a default
            batch_size=batch_size(len(texts[0])),
            truncate_dim=self.params.dimensions,
            normalize_embeddings=True,
            convert_to_numpy=True,
            show_progress_bar=False,
        )
        np.save(folder / ITEM, values.astype(np.float32, copy=False), allow_pickle=False)


def batch_size(longest: int) -> int:
    """How many texts the model reads at once, the longest of so many characters."""
    return max(1, min(BATCH, CHARACTERS // max(1, longest)))
