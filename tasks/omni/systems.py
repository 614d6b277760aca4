"""A system of the artifacts as a model that encodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.omni.loading import check_thinker, check_tokenizer, load_embedder
from tasks.shared.artifacts.index import Encoding
from tasks.shared.artifacts.models import BaseModel, System

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


def check_base(base: BaseModel) -> None:
    """Look whether a base can be had, all but its weights: a Thinker's configuration, a tokenizer, and its adapter
    against a model of the same shape without weights. Raises UserError where loading would, in the same words."""
    config = check_thinker(base.model, base.revision)
    check_tokenizer(base.processor or base.model, base.processor_revision if base.processor else base.revision)
    if base.adapter is None:
        return
    import torch
    from transformers import AutoConfig, AutoModel

    from tasks.omni.lora import check_adapter

    with torch.device("meta"):
        thinker = AutoModel.from_config(AutoConfig.for_model(**config))
    check_adapter(thinker, base.adapter, base.adapter_revision)


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
