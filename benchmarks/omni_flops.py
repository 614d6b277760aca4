"""Floating-point operations of a Qwen2.5-Omni Thinker, by formula: two for every multiplication and addition of a
matrix product or convolution. What goes value by value (norms, activations, rotations, softmax) is not counted.

Attention counts the whole square of a segment, causal or not, as the PaLM paper's model FLOP utilisation and PyTorch's
FlopCounterMode do; at 3,200 positions of the 7B model its causal half would be 5 % less of the language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

RECIPE_RANK = 16


@dataclass(frozen=True)
class Sizes:
    """How large an item is.

    Attributes:
        tokens: positions in the language model, of all its modalities and its prompt.
        grid: of its clip's patches (pairs of frames, down, across), or None.
        mel: frames of its sound, 100 a second.
    """

    tokens: int
    grid: tuple[int, int, int] | None = None
    mel: int = 0


@dataclass(frozen=True)
class Flops:
    """Operations of a training step: forward, backward, and the forward again that gradient checkpointing repeats."""

    forward: float
    backward: float
    recomputed: float

    @property
    def model(self) -> float:
        """What the step needs, however it is done: of model FLOP utilisation."""
        return self.forward + self.backward

    @property
    def hardware(self) -> float:
        """What is done: of hardware FLOP utilisation."""
        return self.model + self.recomputed


def encoding(config: Any, items: list[Sizes]) -> float:
    """Of the embeddings of some items, without an adapter (it is merged). `config` is the Thinker's."""
    return sum(_towers(config, one) + language(config.text_config, one.tokens) for one in items)


def training(config: Any, items: list[Sizes], *, rank: int = RECIPE_RANK, checkpointing: bool = True) -> Flops:
    """Of a step over some items, queries and passages alike: LoRA of the language model, the towers frozen and run
    once, without a graph.

    Through a frozen weight goes only the gradient of what it is given, one product instead of two; and in the first
    layer not even that, for query, key and value: nothing before them learns.
    """
    text = config.text_config
    forward = backward = recomputed = 0.0
    for one in items:
        frozen = _linears(text) * one.tokens
        attended = _attention(text, one.tokens)
        adapter = _adapter(text, rank) * one.tokens
        first = one.tokens * 2 * text.hidden_size * (_query(text) + 2 * _key(text))
        first_adapter = one.tokens * 3 * 2 * text.hidden_size * rank
        inside = frozen + attended + adapter
        forward += _towers(config, one) + inside
        backward += frozen - first + 2 * attended + 2 * adapter - first_adapter
        recomputed += inside if checkpointing else 0.0
    return Flops(forward, backward, recomputed)


def language(text: Any, tokens: int) -> float:
    """Of the language model over one sequence, without head and adapter."""
    return _linears(text) * tokens + _attention(text, tokens)


def _query(text: Any) -> int:
    return int(text.hidden_size)


def _key(text: Any) -> int:
    return int(text.hidden_size // text.num_attention_heads * text.num_key_value_heads)


def _projections(text: Any) -> list[tuple[int, int]]:
    """Inputs and outputs of a layer's matrices: query, key, value, output; gate, up, down."""
    hidden, key, mlp = text.hidden_size, _key(text), text.intermediate_size
    return [(hidden, hidden), (hidden, key), (hidden, key), (hidden, hidden), *[(hidden, mlp)] * 2, (mlp, hidden)]


def _linears(text: Any) -> float:
    """Of all layers' matrices, a token."""
    return float(text.num_hidden_layers * sum(2 * inputs * outputs for inputs, outputs in _projections(text)))


def _adapter(text: Any, rank: int) -> float:
    """Of LoRA on all of them, a token."""
    return float(text.num_hidden_layers * sum(2 * rank * (inputs + outputs) for inputs, outputs in _projections(text)))


def _attention(text: Any, tokens: int) -> float:
    return float(text.num_hidden_layers * 4 * text.hidden_size * tokens**2)


def _towers(config: Any, item: Sizes) -> float:
    seen = vision(config.vision_config, item.grid) if item.grid else 0.0
    return seen + (sound(config.audio_config, item.mel) if item.mel else 0.0)


def vision(config: Any, grid: tuple[int, int, int]) -> float:
    """Of the vision tower over one clip: most layers attend in windows, a few to the whole of a pair of frames."""
    t, h, w = grid
    patches, hidden, merge = t * h * w, config.hidden_size, config.spatial_merge_size
    embedded = 2 * config.in_channels * config.temporal_patch_size * config.patch_size**2 * hidden
    layer = 4 * 2 * hidden**2 + 3 * 2 * hidden * config.intermediate_size
    side = config.window_size // config.patch_size
    in_windows = t * _squares(h, side) * _squares(w, side)
    everywhere = t * (h * w) ** 2
    full = len(config.fullatt_block_indexes)
    attended = 4 * hidden * (full * everywhere + (config.depth - full) * in_windows)
    merged = hidden * merge**2
    merger = patches // merge**2 * 2 * (merged**2 + merged * config.out_hidden_size)
    return float(patches * (embedded + config.depth * layer) + attended + merger)


def _squares(length: int, side: int) -> int:
    """The sum of squares of a length cut into pieces of a side, the last one shorter."""
    whole, rest = divmod(length, side)
    return whole * side**2 + rest**2


def sound(config: Any, mel: int) -> float:
    """Of the audio tower over one sound, which it convolves and attends to in pieces of two windows."""
    piece, hidden = 2 * config.n_window, config.d_model
    whole, rest = divmod(mel, piece)
    convolved = (whole + bool(rest)) * piece if whole else rest  # the last piece is padded to the length of the others
    positions = whole * (piece // 2) + -(-rest // 2)
    stem = 2 * 3 * hidden * (convolved * config.num_mel_bins + -(-convolved // 2) * hidden)
    layer = 4 * 2 * hidden**2 + 2 * 2 * hidden * config.encoder_ffn_dim
    attended = 4 * hidden * (whole * (piece // 2) ** 2 + (-(-rest // 2)) ** 2)
    projected = positions // 2 * 2 * hidden * config.output_dim
    return float(stem + config.encoder_layers * (positions * layer + attended) + projected)
