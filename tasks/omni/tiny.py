"""A tiny Thinker of Qwen2.5-Omni's architecture, with random weights and its own tokenizer, made from a seed.

It runs through the same code as the 7B model; trained for minutes it is the embedded default's base.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.omni import prompt as prompts
from tasks.omni.loading import assemble
from tasks.omni.pretrained import ARCHITECTURE

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer
    from transformers import PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

# in the order of Qwen2.5-Omni's own ids
SPECIAL = (
    prompts.PAD, "<|im_start|>", "<|im_end|>", prompts.AUDIO, prompts.AUDIO_BOS, prompts.AUDIO_EOS,
    prompts.VISION_BOS, prompts.VISION_EOS, "<|IMAGE|>", prompts.VIDEO,
)  # fmt: skip
ROLES = {
    "image_token": "<|IMAGE|>", "audio_token": prompts.AUDIO, "video_token": prompts.VIDEO,
    "vision_bos_token": prompts.VISION_BOS, "vision_eos_token": prompts.VISION_EOS,
    "audio_bos_token": prompts.AUDIO_BOS, "audio_eos_token": prompts.AUDIO_EOS,
}  # fmt: skip


@dataclass(frozen=True)
class TinyConfig:
    """Sizes of a tiny Thinker."""

    vocab_size: int = 4000  # learned tokens; the special ones come on top
    hidden: int = 256
    layers: int = 4
    heads: int = 4
    kv_heads: int = 2
    mlp: int = 688
    vision_hidden: int = 128
    vision_depth: int = 4
    vision_heads: int = 4
    vision_mlp: int = 344
    vision_window: int = 112  # pixels a side; smaller frames are seen whole in every layer
    audio_hidden: int = 128
    audio_layers: int = 2
    audio_heads: int = 4
    audio_mlp: int = 512
    audio_chunk: int = 100  # sound is attended to in pieces of twice this many mel frames, as in the 7B model
    initializer_range: float = 0.02  # standard deviation of every weight; 0.1 and 1/sqrt(inputs) were slower to learn


def build_tiny(
    texts: Iterable[str],
    *,
    seed: int,
    config: TinyConfig = TinyConfig(),
    device: str | None = None,
    max_text_tokens: int = 512,
) -> SentenceTransformer:
    """A tiny embedder, untrained. Equal texts, seed and config give equal bytes. Its byte-level BPE tokenizer is
    trained on `texts`, any text can be tokenised after; `device` None takes the best there is."""
    from tasks.omni.embedder import OmniEmbedder

    tokenizer = train_tokenizer(texts, config.vocab_size)
    model = random_thinker(tokenizer, config, seed)
    return assemble(OmniEmbedder(model, tokenizer, max_text_tokens=max_text_tokens), device)


def train_tokenizer(texts: Iterable[str], vocab_size: int) -> PreTrainedTokenizerBase:
    """A byte-level BPE tokenizer with Qwen2's normalisation, splitting and special tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    from transformers import Qwen2Tokenizer

    qwen = Qwen2Tokenizer().backend_tokenizer
    learner = Tokenizer(models.BPE())
    learner.normalizer, learner.pre_tokenizer = qwen.normalizer, qwen.pre_tokenizer
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    learner.train_from_iterator(texts, trainer=trainer)
    learned = json.loads(learner.to_str())["model"]
    vocab = {**learned["vocab"], **{name: len(learned["vocab"]) + place for place, name in enumerate(SPECIAL)}}
    turns = [name for name in SPECIAL if name not in ROLES.values()]
    merges: list[Any] = [tuple(pair) for pair in learned["merges"]]
    tokenizer: PreTrainedTokenizerBase = Qwen2Tokenizer(
        vocab=vocab, merges=merges, padding_side="left", extra_special_tokens=ROLES
    )
    tokenizer.add_special_tokens({"additional_special_tokens": turns})
    return tokenizer


def random_thinker(tokenizer: PreTrainedTokenizerBase, config: TinyConfig, seed: int) -> PreTrainedModel:
    """A Thinker without its head, its weights drawn from the seed."""
    import torch
    from transformers import AutoModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return AutoModel.from_config(thinker_config(tokenizer, config))


def thinker_config(tokenizer: PreTrainedTokenizerBase, config: TinyConfig) -> PreTrainedConfig:
    """The Hugging Face configuration of a tiny Thinker whose token ids are the tokenizer's."""
    from transformers import AutoConfig

    half = config.hidden // config.heads // 2
    place = 3 * half // 8  # of the rotary pairs: a quarter for time, the rest for height and width, as in the 7B model
    ids = tokenizer.get_vocab()
    return AutoConfig.for_model(
        ARCHITECTURE,
        text_config={
            "vocab_size": len(tokenizer),
            "initializer_range": config.initializer_range,
            "hidden_size": config.hidden,
            "intermediate_size": config.mlp,
            "num_hidden_layers": config.layers,
            "num_attention_heads": config.heads,
            "num_key_value_heads": config.kv_heads,
            "pad_token_id": None,  # the padding token is the pooled one: its embedding must be learned
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 1_000_000.0,
                "mrope_section": [half - 2 * place, place, place],
            },
        },
        vision_config={
            "initializer_range": config.initializer_range,
            "hidden_size": config.vision_hidden,
            "depth": config.vision_depth,
            "num_heads": config.vision_heads,
            "intermediate_size": config.vision_mlp,
            "out_hidden_size": config.hidden,
            "window_size": config.vision_window,
            "fullatt_block_indexes": list(range(1, config.vision_depth, 2)),
        },
        audio_config={
            "initializer_range": config.initializer_range,
            "d_model": config.audio_hidden,
            "encoder_layers": config.audio_layers,
            "encoder_attention_heads": config.audio_heads,
            "encoder_ffn_dim": config.audio_mlp,
            "n_window": config.audio_chunk,
            "output_dim": config.hidden,
        },
        initializer_range=config.initializer_range,
        image_token_index=ids["<|IMAGE|>"],
        video_token_index=ids[prompts.VIDEO],
        audio_token_index=ids[prompts.AUDIO],
        audio_start_token_id=ids[prompts.AUDIO_BOS],
        audio_end_token_id=ids[prompts.AUDIO_EOS],
        vision_start_token_id=ids[prompts.VISION_BOS],
        vision_end_token_id=ids[prompts.VISION_EOS],
        user_token_id=tokenizer.encode("user", add_special_tokens=False)[0],
    )
