"""A system of the artifacts as a model that encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.omni.loading import load_embedder

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.shared.artifacts.index import Encoding
    from tasks.shared.artifacts.models import System


def load_system(system: System, encoding: Encoding) -> SentenceTransformer:
    """The system's model with its adapter merged into the weights, reading texts as the encoding says.

    Raises UserError where either cannot be had.
    """
    from tasks.omni.lora import load_adapter

    model = load_embedder(
        system.model,
        system.revision,
        processor=system.processor,
        processor_revision=system.processor_revision,
        dtype=encoding.dtype,
        max_text_tokens=encoding.max_text_tokens,
        max_query_tokens=encoding.max_query_tokens,
        text_cut=encoding.text_cut,
    )
    if system.adapter is not None:
        load_adapter(model, system.adapter, system.adapter_revision, merge=True)
    return model
