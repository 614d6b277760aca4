"""A system of the artifacts as a model that encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.omni.loading import load_embedder
from tasks.shared.artifacts.models import System

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def load_system(system: System, *, dtype: str, max_text_tokens: int) -> SentenceTransformer:
    """The system's model with its adapter merged into the weights. Raises UserError where either cannot be had."""
    from tasks.omni.lora import load_adapter

    model = load_embedder(system.model, system.revision, dtype=dtype, max_text_tokens=max_text_tokens)
    if system.adapter is not None:
        load_adapter(model, system.adapter, system.adapter_revision, merge=True)
    return model
