"""Thinkers of given shapes with random weights, and items of given sizes: nothing is downloaded.

The shape of the 7B model is that of Qwen/Qwen2.5-Omni-7B's `config.json` (`thinker_config`), written out. Its tokenizer
is not at hand: a small one stands in, so the ids are others and the work is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from benchmarks.omni_flops import Sizes
from tasks.omni.inputs import Item
from tasks.omni.tiny import TinyConfig, thinker_config, train_tokenizer
from tasks.shared.artifacts.types import SAMPLE_RATE

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedConfig, PreTrainedTokenizerBase

QUERY_WORDS = 20


@dataclass(frozen=True)
class Shape:
    """A model's shape, and what a video is to it.

    Attributes:
        name: as `--size` has it.
        config: sizes of towers and language model.
        vocabulary: rows of the embedding.
        full_attention: layers of the vision tower that attend to whole frames.
        frames, size, seconds, text_tokens: of a video: how many frames of how many pixels a side, sound, text.
        encoded: videos in a forward pass, that are measured where no others are asked for.
        trained: queries in a training step, likewise.
        published: parameters of its parts, where they are known from elsewhere.
    """

    name: str
    config: TinyConfig
    vocabulary: int
    full_attention: tuple[int, ...]
    frames: int
    size: int
    seconds: int
    text_tokens: int
    encoded: tuple[int, ...]
    trained: tuple[int, ...]
    published: Mapping[str, int]


SEVEN_B = Shape(
    "7b",
    TinyConfig(
        hidden=3584, layers=28, heads=28, kv_heads=4, mlp=18944,
        vision_hidden=1280, vision_depth=32, vision_heads=16, vision_mlp=3420, vision_window=112,
        audio_hidden=1280, audio_layers=32, audio_heads=20, audio_mlp=5120, audio_chunk=100,
    ),
    vocabulary=152_064, full_attention=(7, 15, 23, 31), frames=24, size=280, seconds=60, text_tokens=512,
    encoded=(1, 2, 4, 8, 16), trained=(1, 2, 4),
    # its report, and Qwen2.5-7B less the head of 152,064 x 3,584 (the audio tower is Whisper large-v3's encoder: 637 M)
    published={"vision tower": 675_000_000, "audio tower": 637_000_000, "language model": 7_615_616_512 - 544_997_376},
)  # fmt: skip
TINY = Shape(
    "tiny", TinyConfig(), vocabulary=5000, full_attention=(1, 3), frames=24, size=84, seconds=6, text_tokens=64,
    encoded=(1, 2), trained=(1,), published={},
)  # fmt: skip
SHAPES = {shape.name: shape for shape in (SEVEN_B, TINY)}


def small_tokenizer() -> PreTrainedTokenizerBase:
    """What stands in for the 7B model's tokenizer."""
    return train_tokenizer(["a flood in the harbour"], 300)


def config_of(shape: Shape, tokenizer: PreTrainedTokenizerBase) -> PreTrainedConfig:
    """The Thinker's configuration."""
    config: Any = thinker_config(tokenizer, shape.config)
    config.text_config.vocab_size = shape.vocabulary
    config.vision_config.fullatt_block_indexes = list(shape.full_attention)
    return config


def build(shape: Shape, *, attention: str, dtype: torch.dtype, device: str) -> SentenceTransformer:
    """An embedder of this shape, its weights drawn on the device. Raises what transformers raises where the attention
    cannot be had."""
    import torch
    from transformers import AutoModel

    from tasks.omni.embedder import OmniEmbedder
    from tasks.omni.loading import assemble

    tokenizer = small_tokenizer()
    config = config_of(shape, tokenizer)
    torch.manual_seed(0)
    with torch.device(device):
        thinker = AutoModel.from_config(config, dtype=dtype, attn_implementation=attention)
    return assemble(OmniEmbedder(thinker, tokenizer, max_text_tokens=shape.text_tokens), device)


def thinker_of(model: SentenceTransformer) -> Any:
    """The model that transformers knows."""
    return cast(Any, model[0]).model


def parameters(model: SentenceTransformer) -> dict[str, int]:
    """How many parameters each part has."""
    thinker = thinker_of(model)
    parts = {
        "vision tower": thinker.visual,
        "audio tower": thinker.audio_tower,
        "language model": thinker.language_model,
    }
    return {name: sum(one.numel() for one in part.parameters()) for name, part in parts.items()}


def videos(shape: Shape, count: int) -> list[Item]:
    """Videos of noise: all modalities, text as long as the model reads."""
    rng = np.random.default_rng(0)
    made = []
    for number in range(count):
        frames = rng.integers(0, 256, (shape.frames, shape.size, shape.size, 3), np.uint8)
        audio = rng.normal(0, 0.1, shape.seconds * SAMPLE_RATE).astype(np.float32)
        made.append(Item(f"{number} " * shape.text_tokens, frames, audio))
    return made


def queries(count: int) -> list[Item]:
    """Texts of a query's length."""
    return [Item("harbour " * QUERY_WORDS + str(number)) for number in range(count)]


def sizes(model: SentenceTransformer, items: list[Item]) -> list[Sizes]:
    """What the items are to the model."""
    found = []
    for item in items:
        features = model.preprocess([item])
        grid = tuple(features["video_grid_thw"][0].tolist()) if "video_grid_thw" in features else None
        mel = int(features["feature_attention_mask"].sum()) if "feature_attention_mask" in features else 0
        found.append(Sizes(int(features["attention_mask"].sum()), grid, mel))
    return found
