"""The vision and the audio tower of a Thinker: their attention, and their embeddings of a batch.

Both towers attend within windows, frames and chunks of sound. Their own code calls the kernel once a segment,
hundreds of times a layer for a batch; a kernel that takes segment bounds (flash attention) does it in one call, but
not on a CPU. The attention here takes the place of such a kernel: the same result, with one call for each length of
segment that occurs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

NAME = "segments_as_flash"  # the towers hand over segment bounds to what has "flash" in its name


def embed_clips(thinker: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Embeddings of all video tokens of a batch, (tokens, hidden), in order."""
    tower = thinker.visual
    with torch.set_grad_enabled(_wants_gradient(tower)):
        output = tower(features["pixel_values_videos"].to(tower.dtype), grid_thw=features["video_grid_thw"])
    return output.pooler_output


def embed_sound(thinker: Any, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Embeddings of all audio tokens of a batch, (tokens, hidden), in order."""
    tower, mel, mask = thinker.audio_tower, features["input_features"], features["feature_attention_mask"]
    lengths = mask.sum(dim=1)
    lengths = lengths[lengths > 0]
    if not len(lengths):
        return torch.empty(0, thinker.config.get_text_config().hidden_size, device=mel.device)
    with torch.set_grad_enabled(_wants_gradient(tower)):
        packed = mel.transpose(1, 2)[mask.bool()].T.to(tower.dtype)
        output = tower(packed, feature_lens=lengths, aftercnn_lens=(lengths - 1) // 2 + 1)
    return output.last_hidden_state


def _wants_gradient(tower: torch.nn.Module) -> bool:
    """Whether a graph is needed: not through a frozen tower, even when its output feeds a checkpointed layer."""
    return torch.is_grad_enabled() and any(parameter.requires_grad for parameter in tower.parameters())


def attend_in_segments(thinker: Any) -> None:
    """Have both towers of a Thinker use this attention in place of "sdpa"; another choice is left alone."""
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attention)
    for tower in (thinker.visual, thinker.audio_tower):
        if tower.config._attn_implementation == "sdpa":
            tower.config._attn_implementation = NAME


def attention(
    _module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    cu_seq_lens_q: torch.Tensor,
    scaling: float | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Transformers' attention signature: query, key, value (1, heads, tokens, size) to (1, tokens, heads, size).
    `cu_seq_lens_q` are the segments' bounds, (segments + 1,), from 0 to tokens."""
    lengths = (cu_seq_lens_q[1:] - cu_seq_lens_q[:-1]).long()
    packed = torch.stack([query[0], key[0], value[0]]).transpose(1, 2)  # 3, tokens, heads, size
    kinds = lengths.unique().tolist()
    if len(kinds) == 1:
        return _equal(packed, kinds[0], scaling).unsqueeze(0), None
    of_token = lengths.repeat_interleave(lengths)
    places = [torch.nonzero(of_token == length).squeeze(1) for length in kinds]
    parts = [_equal(packed[:, place], length, scaling) for place, length in zip(places, kinds, strict=True)]
    back = torch.argsort(torch.cat(places))
    return torch.cat(parts)[back].unsqueeze(0), None


def _equal(packed: torch.Tensor, length: int, scaling: float | None) -> torch.Tensor:
    """Attention of (3, tokens, heads, size) in segments of one length, (tokens, heads, size)."""
    query, key, value = packed.unflatten(1, (-1, length)).transpose(2, 3)
    return scaled_dot_product_attention(query, key, value, scale=scaling).transpose(1, 2).flatten(0, 1)
