"""The dense text retriever: texts to vectors by a sentence-transformers model named in params, kept in the item store.

An item is a chunk of texts: the last bits of a vector depend on what it is batched with, and one text at a time costs
three times as much. Texts themselves decide which make a chunk: one text more or less changes one chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.execution.items import ItemStore
from tasks.shared.execution.params_sections import Retriever
from tasks.shared.execution.plan import Item, Plan
from tasks.shared.retrieval.remote_code import check_code, commit_of
from tasks.shared.retrieval.text_encoder import load_text_encoder, read_vectors, write_vectors
from tasks.shared.runtime.files import sha256_text
from tasks.shared.runtime.gpu import visible_gpus
from tasks.shared.runtime.models import resolve_model
from tasks.shared.runtime.progress import Bar, watched

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

CHUNK = 64  # texts that are kept together, on average
VERSIONS = ("sentence-transformers", "tokenizers", "torch", "transformers")


class DenseRetriever:
    """A text encoder, loaded when the store lacks something. It cuts a text at the length it is published with.

    `asked` and `reused` count vectors that were wanted, and that came from the store. `take_gpus` is called before the
    model is loaded. Raises UserError, before any text is encoded, where the model cannot be found or comes with code
    that may not run; and when it is loaded, where that fails.
    """

    def __init__(self, params: Retriever, threads: int, take_gpus: Callable[[], object]) -> None:
        self.params = params
        self.model = resolve_model(params.model, params.revision, "retriever")
        self.take_gpus = take_gpus
        self.asked = self.reused = 0
        check_code(self.model, params.trust_remote_code, params.revision)
        self._digest = self.model.digest()  # once: it reads every byte of a directory
        self._encoder: SentenceTransformer | None = None
        decides = {
            "model": [self._digest, commit_of(self.model)],
            "dimensions": params.dimensions,
            "dtype": params.dtype,
            "threads": threads,
            "device": "cuda" if visible_gpus() else "cpu",
            "versions": [version(name) for name in VERSIONS],
        }
        self._store = ItemStore("texts", "tasks.shared.retrieval.text_encoder", decides)

    @property
    def decides(self) -> str:
        """Digest of what decides a vector besides its text: model, params, code, versions, threads, kind of device."""
        return self._store.decides

    def identity(self) -> dict[str, str | None]:
        """The model as params name it, its revision on the hub, and what decides its weights."""
        return {"model": self.params.model, "revision": self.model.revision, "digest": self._digest}

    def queries(self, texts: Mapping[str, str]) -> Vectors:
        """Queries by id to normalised vectors, with the query prompt before each."""
        return self._encode(texts, self.params.query_prompt, "encode queries")

    def documents(self, texts: Mapping[str, str]) -> Vectors:
        """Documents by id to normalised vectors, with the document prompt before each."""
        return self._encode(texts, self.params.document_prompt, "encode texts")

    def plans(self, queries: Mapping[str, str], documents: Mapping[str, str]) -> list[Plan[list[str]]]:
        """What it takes to encode queries and documents. No model is loaded."""
        prompts = self.params.query_prompt, self.params.document_prompt
        return [self._plan(texts.values(), prompt) for texts, prompt in zip((queries, documents), prompts, strict=True)]

    def _plan(self, texts: Iterable[str], prompt: str) -> Plan[list[str]]:
        """Chunks of texts, each text once, that are encoded with this prompt."""
        chunks = chunks_of(texts)
        items = [Item(sha256_text(chunk[0]), self._store.key(prompt, *chunk), chunk, len(chunk)) for chunk in chunks]
        return Plan(self._store, items, "vector", chunked=True)

    def _encode(self, texts: Mapping[str, str], prompt: str, what: str) -> Vectors:
        if not texts:
            return Vectors([], np.empty((0, 0), np.float32))
        plan = self._plan(texts.values(), prompt)
        vectors: dict[str, np.ndarray] = {}
        with Bar(what, plan.size, "text") as bar:
            for item in plan.items:
                if (entry := self._store.get(item.key)) is None:
                    entry = self._store.put(item.key, partial(self._write, item.payload, prompt))
                else:
                    self.reused += item.counts
                vectors |= zip(item.payload, read_vectors(entry), strict=True)
                bar.to(len(vectors))
        self.asked += plan.size
        return Vectors(list(texts), np.stack([vectors[text] for text in texts.values()]))

    def _write(self, texts: Sequence[str], prompt: str, folder: Path) -> None:
        if self._encoder is None:
            self.take_gpus()
            if not watched():
                from transformers.utils import logging

                logging.disable_progress_bar()  # of loading weights, which transformers draws also into a file
            with Bar(f"load {self.model.name}", 1, "model") as bar:
                self._encoder = load_text_encoder(self.model, self.params)
                bar.to(1)
        write_vectors(self._encoder, texts, prompt, self.params.dimensions, folder)


def chunks_of(texts: Iterable[str]) -> list[list[str]]:
    """Texts in chunks of about the same length, each text once, the longest of a chunk first. Texts of one order of
    length (a power of two) stand in the order of their digests, and a chunk ends after every text whose digest says so,
    one in `CHUNK`. So a text more or less changes the chunk that it belongs to and no other."""
    digests = {text: sha256_text(text) for text in texts}
    ordered = sorted(digests, key=lambda text: (len(text).bit_length(), digests[text]))
    chunks: list[list[str]] = [[]]
    for text, after in zip_longest(ordered, ordered[1:]):
        chunks[-1].append(text)
        ends = int(digests[text][-8:], 16) % CHUNK == 0
        if after is not None and (ends or len(after).bit_length() != len(text).bit_length()):
            chunks.append([])
    return [sorted(chunk, key=lambda text: (-len(text), digests[text])) for chunk in chunks if chunk]
