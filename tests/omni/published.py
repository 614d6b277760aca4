"""Repositories as they are published: a Thinker in the hub's layout, and a processor's with Qwen2.5's tokenizer.

The vocabulary is Qwen's own, from a package that has it as a list of byte strings by rank; merges follow from ranks.
"""

from __future__ import annotations

import base64
import importlib.util
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.omni.tiny import ROLES, TinyConfig, thinker_config

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

ADDED = (  # of Qwen2.5-Omni, from id 151643 on
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|box_end|>",
    "<|quad_start|>", "<|quad_end|>", "<|vision_bos|>", "<|vision_eos|>", "<|vision_pad|>", "<|IMAGE|>", "<|VIDEO|>",
)  # fmt: skip
SMALL = TinyConfig(
    hidden=64, layers=2, heads=4, kv_heads=2, mlp=128, vision_hidden=32, vision_depth=2, vision_heads=2, vision_mlp=64,
    audio_hidden=32, audio_layers=2, audio_heads=2, audio_mlp=64,
)  # fmt: skip


@cache
def qwen_tokenizer() -> PreTrainedTokenizerBase:
    """Qwen2.5-Omni's tokenizer."""
    from transformers import Qwen2Tokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    package = importlib.util.find_spec("dashscope")
    assert package is not None and package.origin is not None
    lines = (Path(package.origin).parent / "resources" / "qwen.tiktoken").read_bytes().splitlines()
    ranks = {base64.b64decode(text): int(rank) for text, rank in (line.split() for line in lines if line)}
    letters = bytes_to_unicode()
    written = {token: "".join(letters[byte] for byte in token) for token in ranks}
    merges: list[Any] = [
        tuple(written[part] for part in _halves(token, rank, ranks))
        for token, rank in sorted(ranks.items(), key=lambda one: one[1])
        if len(token) > 1
    ]
    vocab = {written[token]: rank for token, rank in ranks.items()}
    vocab |= {name: len(ranks) + place for place, name in enumerate(ADDED)}
    tokenizer: PreTrainedTokenizerBase = Qwen2Tokenizer(
        vocab=vocab, merges=merges, padding_side="left", extra_special_tokens=ROLES
    )
    tokenizer.add_special_tokens({"additional_special_tokens": [one for one in ADDED if one not in ROLES.values()]})
    return tokenizer


def _halves(token: bytes, rank: int, ranks: dict[bytes, int]) -> list[bytes]:
    """The two tokens that were merged into this one: what is left of its bytes after all merges of lower rank."""
    parts = [token[place : place + 1] for place in range(len(token))]
    while True:
        pairs = [
            (found, place)
            for place in range(len(parts) - 1)
            if (found := ranks.get(parts[place] + parts[place + 1], rank)) < rank
        ]
        if not pairs:
            return parts
        _, place = min(pairs)
        parts[place : place + 2] = [parts[place] + parts[place + 1]]


def whole_thinker(seed: int = 5) -> PreTrainedModel:
    """A small Thinker with its language-model head and Qwen's vocabulary, random."""
    import torch
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = thinker_config(qwen_tokenizer(), SMALL)
        return Qwen2_5OmniThinkerForConditionalGeneration._from_config(config).eval()


def write_thinker(path: Path, thinker: PreTrainedModel) -> Path:
    """The model in several files, named as before transformers 5: towers, `model.layers`, `lm_head`; no tokenizer."""
    thinker.save_pretrained(path, max_shard_size="20MB")
    assert (path / "model.safetensors.index.json").is_file()
    return path


def write_processor(path: Path) -> Path:
    """The files of the processor's repository that are read."""
    qwen_tokenizer().save_pretrained(path)
    sound = {"feature_extractor_type": "WhisperFeatureExtractor", "feature_size": 128, "chunk_length": 300}
    picture = {"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "merge_size": 2}
    (path / "preprocessor_config.json").write_text(json.dumps(sound | picture), encoding="utf-8")
    return path
