"""A retriever laid out as facebook/drama-base is: a bidirectional Llama by code of its own, a few thousand weights.

The layout is that of the published repository: config.json with `auto_map`, code written for transformers before 4.53,
old names of rotary params, and the files of sentence-transformers. The code, the weights and the tokenizer are made
here.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

LIMIT = 24  # tokens, with the two marks around a text
HIDDEN = 32
WORDS = (
    "Query", ":", "rain", "river", "flood", "town", "forest", "fire", "smoke", "boats", "rescued", "people", "over",
    "the", "old", "on", "sunday", "a", "b", "c", "d", "e",
)  # fmt: skip
MARK = "TINY_DRAMA_MARK"  # of the environment: a file that the code makes when it is imported
CLASS = "modeling_tiny.BothWays"

CODE = f"""
import os
from pathlib import Path

import torch
from transformers import LlamaModel

if "{MARK}" in os.environ:
    Path(os.environ["{MARK}"]).touch()


class BothWays(LlamaModel):
    def __init__(self, config):
        super().__init__(config)
        for layer in self.layers:
            layer.self_attn.is_causal = False

    def _update_causal_mask(self, attention_mask, input_tensor, *others, **more):  # what made the mask until 4.52
        blocked = (attention_mask == 0)[:, None, None, :]
        return torch.zeros(blocked.shape, dtype=input_tensor.dtype).masked_fill(blocked, float("-inf"))
"""

CONFIG = {
    "_name_or_path": "tiny-drama",
    "architectures": ["BothWays"],
    "auto_map": {"AutoModel": CLASS},
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "head_dim": 8,
    "hidden_act": "silu",
    "hidden_size": HIDDEN,
    "initializer_range": 0.5,
    "intermediate_size": 64,
    "max_position_embeddings": 1024,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "num_key_value_heads": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 64,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "transformers_version": "4.48.0",
    "use_cache": True,
    "vocab_size": len(WORDS) + 4,
}

CARD = """---
license: cc-by-nc-4.0
language:
- en
pipeline_tag: sentence-similarity
library_name: transformers
tags:
- sentence-transformers
---

# A tiny imitation of DRAMA
"""


def make(folder: Path, *, code: str = CODE, auto_map: str = CLASS) -> Path:
    """Write the retriever into a folder."""
    import torch
    from safetensors.torch import save_file
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import LlamaConfig, LlamaModel, PreTrainedTokenizerFast

    folder.mkdir(parents=True)
    vocabulary = {word: number for number, word in enumerate(["<begin>", "<end>", "<pad>", "<unknown>", *WORDS])}
    words = Tokenizer(WordLevel(vocabulary, unk_token="<unknown>"))
    words.pre_tokenizer = Whitespace()
    words.post_processor = TemplateProcessing(single="<begin> $A <end>", special_tokens=[("<begin>", 0), ("<end>", 1)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, bos_token="<begin>", eos_token="<end>", pad_token="<pad>", unk_token="<unknown>"
    )
    tokenizer.save_pretrained(str(folder))
    torch.manual_seed(5)
    plain = LlamaConfig(**{key: value for key, value in CONFIG.items() if key != "auto_map"})
    save_file(LlamaModel(plain).state_dict(), str(folder / "model.safetensors"), metadata={"format": "pt"})
    (folder / "modeling_tiny.py").write_text(code)
    (folder / "README.md").write_text(CARD)
    write = {
        "config.json": CONFIG | {"auto_map": {"AutoModel": auto_map}},
        "modules.json": [
            {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
            {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
            {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"},
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": HIDDEN,
            "pooling_mode_cls_token": False,
            "pooling_mode_mean_tokens": True,
            "pooling_mode_max_tokens": False,
            "pooling_mode_mean_sqrt_len_tokens": False,
            "pooling_mode_weightedmean_tokens": False,
            "pooling_mode_lasttoken": False,
            "include_prompt": True,
        },
        "sentence_bert_config.json": {"max_seq_length": LIMIT, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "__version__": {"sentence_transformers": "3.4.1", "transformers": "4.48.0", "pytorch": "2.5.1"},
            "prompts": {"query": "Query: "},
            "default_prompt_name": None,
            "similarity_fn_name": "cosine",
        },
    }
    for name, content in write.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(json.dumps(content, indent=2))
    return folder


def by_hand(folder: Path, text: str, dimensions: int = HIDDEN) -> np.ndarray:
    """The vector by plain transformers, without the model's code: every token sees every other by a mask of zeros."""
    import torch
    from transformers import AutoTokenizer, LlamaModel

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    ids = tokenizer(text, return_tensors="pt", truncation=True, max_length=LIMIT)["input_ids"]
    model = LlamaModel.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        everywhere = torch.zeros(1, 1, ids.shape[1], ids.shape[1])
        states = model(input_ids=ids, attention_mask=everywhere, use_cache=False).last_hidden_state[0]
    head = states.mean(dim=0).numpy()[:dimensions]
    unit: np.ndarray = head / np.linalg.norm(head)
    return unit
