"""Opening an embedder: a directory or hub repository, saved by this project or a plain Thinker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tasks.omni.pretrained import check_thinker
from tasks.shared.artifacts.models import BaseModel, System

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder
    from tasks.shared.artifacts.index import Encoding


def load_embedder(
    name_or_path: str,
    revision: str | None = None,
    *,
    processor: str | None = None,
    processor_revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    **settings: Any,
) -> SentenceTransformer:
    """A SentenceTransformer over a Thinker, without its language-model head, ready to encode.

    It is a directory or a hub id: saved by this project, a plain Qwen2.5-Omni Thinker in any layout that transformers
    has written, or a whole Qwen2.5-Omni. The tokenizer is at `processor`, when not beside the weights; `device` None
    takes the best there is; `settings` are `OmniEmbedder.config_keys`, else as saved, or its own defaults. Raises
    UserError where nothing is at that path, there is no such repository or revision, it is no Thinker, or weights are
    missing; its subclass TransientError where the hub is out of reach.
    """
    check_thinker(name_or_path, revision, processor, processor_revision)

    from tasks.omni.embedder import OmniEmbedder

    module = OmniEmbedder.load(
        name_or_path, revision=revision, model_kwargs={"dtype": dtype},
        tokenizer_at=processor, tokenizer_revision=processor_revision, **settings,
    )  # fmt: skip
    return assemble(module, device)


def load_base(base: BaseModel, dtype: str, device: str | None = None, **settings: Any) -> SentenceTransformer:
    """The model without its adapter, see `load_embedder`."""
    return load_embedder(
        base.model, base.revision, processor=base.processor, processor_revision=base.processor_revision,
        dtype=dtype, device=device, **settings,
    )  # fmt: skip


def load_system(system: System, encoding: Encoding) -> SentenceTransformer:
    """The system's model with its adapter merged into the weights. Raises UserError where either cannot be had."""
    from tasks.omni.lora import load_adapter

    model = load_base(system, encoding.dtype, **encoding.limits)
    if system.adapter is not None:
        load_adapter(model[0].model, system.adapter, system.adapter_revision, merge=True)
    return model


def assemble(module: OmniEmbedder, device: str | None = None) -> SentenceTransformer:
    """The embedder's module with last-token pooling and normalisation behind it, in evaluation mode."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from tasks.omni.prompt import QUERY_PREFIX

    pooling = Pooling(module.get_embedding_dimension(), pooling_mode="lasttoken")
    prompts = {"query": QUERY_PREFIX, "document": ""}
    return SentenceTransformer(modules=[module, pooling, Normalize()], device=device, prompts=prompts).eval()


def check_base(base: BaseModel) -> None:
    """Check all of a base but its weights: the Thinker's configuration, the tokenizer, and the adapter against a model
    of the same shape without weights. Raises UserError where loading would, with the same message."""
    config = check_thinker(base.model, base.revision, base.processor, base.processor_revision)
    if base.adapter is None:
        return
    import torch
    from transformers import AutoConfig, AutoModel

    from tasks.omni.lora import read_adapter

    with torch.device("meta"):
        thinker = AutoModel.from_config(AutoConfig.for_model(**config))
    read_adapter(thinker, base.adapter, base.adapter_revision)
