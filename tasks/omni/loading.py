"""Opening an embedder: a directory or hub repository, saved by this project or a plain Thinker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tasks.omni.pretrained import check_thinker, check_tokenizer
from tasks.shared.artifacts.models import BaseModel, System

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from tasks.omni.embedder import OmniEmbedder
    from tasks.omni.prompt import Cut
    from tasks.shared.artifacts.index import Encoding


def load_embedder(
    name_or_path: str,
    revision: str | None = None,
    *,
    processor: str | None = None,
    processor_revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    max_text_tokens: int = 512,
    max_query_tokens: int = 512,
    text_cut: Cut = "end",
) -> SentenceTransformer:
    """A SentenceTransformer over a Thinker, without its language-model head, ready to encode.

    Args:
        name_or_path: a directory, or a hub id: saved by this project, a plain Qwen2.5-Omni Thinker in any layout that
            transformers has written, or a whole Qwen2.5-Omni.
        revision: of the hub repository.
        processor: where the tokenizer is, when not beside the weights.
        processor_revision: of the processor's repository.
        dtype: "float32", "bfloat16" or "float16".
        device: torch device; None takes the best there is.
        max_text_tokens: a document's text is cut to this.
        max_query_tokens: a query's text is cut to this, its prefix included.
        text_cut: where it is cut: "end" or "fields" (see `prompt.TextLimit`).

    Raises:
        UserError: nothing at that path, no such repository or revision, not a Thinker, weights that are missing;
            its subclass TransientError where the hub is out of reach.
    """
    tokenizer_at = processor or name_or_path
    tokenizer_revision = processor_revision if processor else revision
    check_thinker(name_or_path, revision)
    check_tokenizer(tokenizer_at, tokenizer_revision)

    from tasks.omni.embedder import OmniEmbedder

    module = OmniEmbedder.load(
        name_or_path,
        revision=revision,
        model_kwargs={"dtype": dtype},
        tokenizer_at=tokenizer_at,
        tokenizer_revision=tokenizer_revision,
        max_text_tokens=max_text_tokens,
        max_query_tokens=max_query_tokens,
        text_cut=text_cut,
    )
    return assemble(module, device)


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
        load_adapter(model[0].model, system.adapter, system.adapter_revision, merge=True)
    return model


def assemble(module: OmniEmbedder, device: str | None = None) -> SentenceTransformer:
    """The embedder's module with last-token pooling and normalisation behind it, in evaluation mode."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling

    from tasks.omni.prompt import QUERY_PREFIX

    pooling = Pooling(module.get_embedding_dimension(), pooling_mode="lasttoken")
    prompts = {"query": QUERY_PREFIX, "document": ""}
    model = SentenceTransformer(modules=[module, pooling, Normalize()], device=device, prompts=prompts)
    return model.eval()


def check_base(base: BaseModel) -> None:
    """Check all of a base but its weights: the Thinker's configuration, the tokenizer, and the adapter against a model
    of the same shape without weights. Raises UserError where loading would, with the same message."""
    config = check_thinker(base.model, base.revision)
    check_tokenizer(base.processor or base.model, base.processor_revision if base.processor else base.revision)
    if base.adapter is None:
        return
    import torch
    from transformers import AutoConfig, AutoModel

    from tasks.omni.adapters import read_adapter

    with torch.device("meta"):
        thinker = AutoModel.from_config(AutoConfig.for_model(**config))
    read_adapter(thinker, base.adapter, base.adapter_revision)
