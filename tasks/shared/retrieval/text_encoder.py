"""A text encoder: sentence-transformers, with what it takes to run a model's own code as it was meant."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import Model, loading

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.shared.execution.params_sections import Retriever

BATCH = 32  # texts that the model reads at once, fewer where they are long:
CHARACTERS = 1 << 17  # of a batch with its padding, which bounds the memory it takes
ITEM = "vectors.npy"
SHORT, LONG = "rain", "a text that is a good deal longer than the other one, so that the other one is padded beside it"
ALIKE = 0.99  # cosine of a text's vectors alone and in a batch: 16-bit weights give 0.999, a wrong mask 0.6 to 0.95


def load_text_encoder(model: Model, params: Retriever) -> SentenceTransformer:
    """The encoder in evaluation mode. Its weights are of `retriever.dtype`; pooling and normalisation are float32.
    Raises UserError where it cannot be loaded, has fewer dimensions than `retriever.dimensions`, or where its own code
    gives a text another vector beside a longer one."""
    import torch
    from sentence_transformers import SentenceTransformer

    try:
        with loading(model, "retriever.model"):
            encoder = SentenceTransformer(
                model.location,
                revision=model.revision,
                trust_remote_code=params.trust_remote_code,
                model_kwargs={"dtype": getattr(torch, params.dtype)},
            )
    except (AttributeError, TypeError, NameError) as error:
        if not params.trust_remote_code:
            raise
        raise UserError(f"retriever.model: {_misfit(model)}: {' '.join(str(error).split())[:200]}") from error
    full = encoder.get_embedding_dimension()
    if params.dimensions is not None and not 1 <= params.dimensions <= (full or params.dimensions):
        raise UserError(f"retriever.dimensions = {params.dimensions}: the model has {full}; name 1 to {full}, or null")
    if params.dtype != "float32":
        encoder[0].register_forward_hook(_to_float32)
    if params.trust_remote_code:
        _look_both_ways(encoder)
        _check_alone_and_beside(model, encoder)
    return encoder


def write_vectors(
    encoder: SentenceTransformer, texts: Sequence[str], prompt: str, dimensions: int | None, folder: Path
) -> None:
    """Write normalised vectors of texts, given the longest first, as float32 (texts, dimensions)."""
    values = encoder.encode(
        list(texts),
        prompt=prompt,  # empty means none, also where the model names a default
        batch_size=batch_size(len(texts[0])),
        truncate_dim=dimensions,
        normalize_embeddings=True,
        convert_to_numpy=True,
        show_progress_bar=False,
    )
    np.save(folder / ITEM, values.astype(np.float32, copy=False), allow_pickle=False)


def read_vectors(entry: Path) -> np.ndarray:
    """The vectors of a finished item."""
    return np.load(entry / ITEM, allow_pickle=False)


def batch_size(longest: int) -> int:
    """How many texts the model reads at once, the longest of so many characters."""
    return max(1, min(BATCH, CHARACTERS // max(1, longest)))


def _to_float32(_module: Any, _inputs: Any, features: dict[str, Any]) -> dict[str, Any]:
    """Tokens' states of 16-bit weights, for all that follows: means and lengths in 16 bits would make false ties."""
    return {**features, "token_embeddings": features["token_embeddings"].float()}


def _look_both_ways(encoder: SentenceTransformer) -> None:
    """Have a model's mask be as its attention is: code written for transformers before 4.53, DRAMA's among it, makes a
    decoder bidirectional in a way (`is_causal` of every layer) that later versions heed in the configuration alone."""
    from transformers import PreTrainedModel

    for module in encoder.modules():
        if isinstance(module, PreTrainedModel) and type(module).__module__.startswith("transformers_modules."):
            stated = [part.is_causal for part in module.modules() if hasattr(part, "is_causal")]
            if stated and not any(stated):
                module.config.is_causal = False


def _check_alone_and_beside(model: Model, encoder: SentenceTransformer) -> None:
    alone = encoder.encode([SHORT], show_progress_bar=False, normalize_embeddings=True)[0]
    beside = encoder.encode([SHORT, LONG], show_progress_bar=False, normalize_embeddings=True)[0]
    if not (cosine := float(alone @ beside)) >= ALIKE:
        raise UserError(
            f"retriever.model: {_misfit(model)}: a text's vector is another one beside a longer text (cosine "
            f"{cosine:.3f}); take a revision made for this version, or another retriever"
        )


def _misfit(model: Model) -> str:
    from importlib.metadata import version

    return f"the code of {model.name} does not do with transformers {version('transformers')} what it was written for"
