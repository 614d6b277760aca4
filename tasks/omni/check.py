"""Whether a base can be had, before anything is done with it."""

from __future__ import annotations

from tasks.omni.loading import check_thinker, check_tokenizer
from tasks.shared.artifacts.models import BaseModel


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
