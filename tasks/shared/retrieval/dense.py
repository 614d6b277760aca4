"""The dense text retriever: texts to vectors by a sentence-transformers model named in params."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.errors import UserError
from tasks.shared.models import loading, resolve_model
from tasks.shared.params import Retriever
from tasks.shared.progress import Bar, watched

CHUNK = 256  # texts handed to the encoder at once, which makes batches of them
COMMIT = re.compile(r"[0-9a-f]{40}")


class DenseRetriever:
    """A loaded text encoder. It cuts a text at the length that the model is published with.

    The model runs in float32 whatever its weights are stored in: 16-bit scores make false ties.

    Raises UserError where the model cannot be found or loaded, where it has fewer dimensions than
    `retriever.dimensions`, and for `trust_remote_code` without a commit: what it ran could change any day.
    """

    def __init__(self, params: Retriever) -> None:
        self.params = params
        self.model = resolve_model(params.model, params.revision, "retriever")
        if params.trust_remote_code and not COMMIT.fullmatch(self.model.revision or ""):
            raise UserError(
                "retriever.trust_remote_code runs code that comes with the model: name the model by its hub id, and "
                "in retriever.revision the 40 digits of the commit you have read"
            )
        import torch
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging

        if not watched():
            logging.disable_progress_bar()  # of loading weights, which transformers draws also into a file
        with loading(self.model, "retriever.model"), Bar(f"load {self.model.name}", 1, "model") as bar:
            self._encoder = SentenceTransformer(
                self.model.location,
                revision=self.model.revision,
                trust_remote_code=params.trust_remote_code,
                model_kwargs={"dtype": torch.float32},
            )
            bar.to(1)
        full = self._encoder.get_embedding_dimension()
        if params.dimensions is not None and not 1 <= params.dimensions <= (full or params.dimensions):
            raise UserError(
                f"retriever.dimensions = {params.dimensions}: the model has {full}; name 1 to {full}, or null"
            )

    def identity(self) -> dict[str, str | None]:
        """The model as params name it, its revision, and what decides its weights."""
        return {"model": self.params.model, "revision": self.params.revision, "digest": self.model.digest()}

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
                values = self._encoder.encode(
                    [texts[one] for one in chunk],
                    prompt=prompt,  # empty means none, also where the model names a default
                    truncate_dim=self.params.dimensions,
                    normalize_embeddings=True,
                    convert_to_numpy=True,
                    show_progress_bar=False,
                )
                vectors |= zip(chunk, values, strict=True)
                bar.to(len(vectors))
        return Vectors(list(texts), np.stack([vectors[one] for one in texts]).astype(np.float32, copy=False))
