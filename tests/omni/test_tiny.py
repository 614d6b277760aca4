"""The tiny Thinker: the same from its seed everywhere."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from tasks.omni.tiny import SPECIAL, TinyConfig, build_tiny
from tests.omni.conftest import small
from tests.omni.encoding import encode_items
from tests.omni.kinds import TEXTS, kinds
from tests.warm import python

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

DIGEST = """
import hashlib, sys
from tests.omni.conftest import small
from safetensors.torch import save
model = small()
state = {name: value.contiguous() for name, value in model.state_dict().items()}
tokenizer = model.tokenizer.backend_tokenizer.to_str().encode()
print(hashlib.sha256(save(state)).hexdigest(), hashlib.sha256(tokenizer).hexdigest())
"""


def test_same_seed_same_bytes_in_another_process() -> None:
    from safetensors.torch import save

    model = small()
    here = hashlib.sha256(save({name: value.contiguous() for name, value in model.state_dict().items()})).hexdigest()
    tokenizer = hashlib.sha256(model.tokenizer.backend_tokenizer.to_str().encode()).hexdigest()
    root = Path(__file__).parents[2]
    there = subprocess.run([python(), "-c", DIGEST], cwd=root, capture_output=True, text=True, check=True)
    assert there.stdout.split() == [here, tokenizer]


def test_the_seed_decides_weights_and_nothing_outside() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first, other = small(1).state_dict(), small(2).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(first["0.model.language_model.embed_tokens.weight"],
                           other["0.model.language_model.embed_tokens.weight"])  # fmt: skip


def test_ids_agree(model: SentenceTransformer) -> None:
    config, tokenizer = model[0].model.config, model.tokenizer
    ids = dict(zip(SPECIAL, tokenizer.convert_tokens_to_ids(list(SPECIAL)), strict=True))
    assert sorted(ids.values()) == list(range(len(tokenizer) - len(SPECIAL), len(tokenizer)))
    assert config.text_config.vocab_size == len(tokenizer)
    assert (config.video_token_id, config.audio_token_id) == (ids["<|VIDEO|>"], ids["<|AUDIO|>"])
    assert (config.vision_start_token_id, config.audio_start_token_id) == (ids["<|vision_bos|>"], ids["<|audio_bos|>"])
    for text in TEXTS:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_other_sizes_build() -> None:
    sizes = TinyConfig(
        vocab_size=300, hidden=96, layers=1, heads=3, kv_heads=1, mlp=64, vision_hidden=48, vision_depth=1,
        vision_heads=3, vision_mlp=32, audio_hidden=24, audio_layers=1, audio_heads=1, audio_mlp=16,
    )  # fmt: skip
    odd = build_tiny(["a b c"], seed=0, config=sizes, device="cpu")
    assert encode_items(odd, [kinds()["all"]], batch_size=1).shape == (1, 96)
