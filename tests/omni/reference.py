"""Hugging Face's own way from an item to its embedding, as far as this machine can go it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import normalize

from tasks.omni.inputs import Item

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SYSTEM = "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"


def rendered(item: Item, tokenizer: PreTrainedTokenizerBase, max_text_tokens: int) -> str:
    """The chat template's output for one user turn, with one placeholder a medium, and the end of text."""
    text = item.text or ""
    cut = tokenizer.encode(text, add_special_tokens=False)[:max_text_tokens]
    content = tokenizer.decode(cut, clean_up_tokenization_spaces=False)
    content += "<|vision_bos|><|VIDEO|><|vision_eos|>" if item.frames is not None else ""
    content += "<|audio_bos|><|AUDIO|><|audio_eos|>" if item.audio is not None else ""
    return f"{SYSTEM}<|im_start|>user\n{content}<|im_end|>\n<|endoftext|>"


def whole_model(model: SentenceTransformer) -> PreTrainedModel:
    """The stock model with its language-model head and stock attention, with the same weights."""
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    thinker = model[0].model
    config = type(thinker.config).from_dict(thinker.config.to_dict())
    whole = Qwen2_5OmniThinkerForConditionalGeneration._from_config(config, attn_implementation="sdpa")
    whole.model.load_state_dict(thinker.state_dict())
    return whole.eval()


def embedding(whole: PreTrainedModel, inputs: dict[str, Any]) -> torch.Tensor:
    """Last hidden state of the last token, normalised, (batch, hidden)."""
    with torch.no_grad():
        output = whole(**inputs, output_hidden_states=True)
    return normalize(output.hidden_states[-1][:, -1], dim=-1)


def positions(whole: PreTrainedModel, inputs: dict[str, Any]) -> torch.Tensor:
    """The stock model's own position ids, (3, batch, length)."""
    mask = inputs.get("feature_attention_mask")
    found, _ = whole.model.get_rope_index(
        inputs["input_ids"],
        None,
        inputs.get("video_grid_thw"),
        inputs["attention_mask"],
        False,
        None if mask is None else mask.sum(dim=1),
        inputs.get("video_second_per_grid"),
    )
    return found
