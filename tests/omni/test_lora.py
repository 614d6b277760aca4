"""Adapters: on the language model only, readable by PEFT itself, and never one that silently does nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tasks.omni.loading import load_embedder
from tasks.omni.lora import CONFIG, WEIGHTS, attach_lora, has_adapter, load_adapter, save_adapter
from tasks.shared.runtime.errors import UserError
from tests.omni.conftest import small
from tests.omni.encoding import encode_items
from tests.omni.kinds import MAX_TEXT_TOKENS, kinds

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ITEMS = list(kinds().values())[::3]
LAYER = "base_model.model.language_model.layers.0.self_attn.q_proj"
Tensors = dict[str, torch.Tensor]


def tuned(seed: int = 1) -> SentenceTransformer:
    """A tiny embedder with an adapter that does something."""
    model = small()
    attach_lora(model[0].model, r=4, alpha=16, dropout=0.1, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter.data, std=0.05, generator=generator)
    return model.eval()


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("adapter")
    save_adapter(tuned()[0].model, path, base="some/base", base_revision="abc")
    return path


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    return encode_items(tuned(), ITEMS, batch_size=8)


def test_only_the_language_model_learns(model: SentenceTransformer) -> None:
    learner = small()
    attach_lora(learner[0].model, r=4, alpha=16, dropout=0.0, seed=1)
    learning = [name for name, parameter in learner.named_parameters() if parameter.requires_grad]
    assert len(learning) == 2 * 7 * 2  # layers, projections, A and B
    assert all(".language_model.layers." in name and ".lora_" in name for name in learning)
    untouched = encode_items(model, ITEMS, batch_size=8)
    assert np.array_equal(encode_items(learner, ITEMS, batch_size=8), untouched)
    with pytest.raises(UserError, match="has an adapter already"):
        attach_lora(learner[0].model, r=4, alpha=16, dropout=0.0, seed=1)


def test_the_seed_decides_the_adapter(saved: Path, tmp_path: Path) -> None:
    save_adapter(tuned()[0].model, tmp_path / "same", base="some/base", base_revision="abc")
    save_adapter(tuned(seed=2)[0].model, tmp_path / "other", base="some/base", base_revision="abc")
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "same" / name).read_bytes() == (saved / name).read_bytes()
    assert (tmp_path / "other" / WEIGHTS).read_bytes() != (saved / WEIGHTS).read_bytes()
    config = json.loads((saved / CONFIG).read_text())
    assert (config["r"], config["lora_alpha"], config["base_model_name_or_path"]) == (4, 16, "some/base")


@pytest.mark.parametrize("merge", [False, True])
def test_loaded_it_does_what_it_did(merge: bool, saved: Path, expected: np.ndarray) -> None:
    model = small()
    assert np.abs(encode_items(model, ITEMS, batch_size=8) - expected).max() > 0.01
    load_adapter(model[0].model, str(saved), merge=merge)
    assert np.abs(encode_items(model, ITEMS, batch_size=8) - expected).max() < 1e-5
    assert has_adapter(model[0].model) is not merge


def test_peft_itself_reads_it(saved: Path, expected: np.ndarray) -> None:
    from peft import PeftModel

    model = small()
    PeftModel.from_pretrained(model[0].model, str(saved))  # puts the adapter into the model's own modules
    assert np.abs(encode_items(model.eval(), ITEMS, batch_size=8) - expected).max() < 1e-5


def rewritten(saved: Path, target: Path, change: Callable[[Tensors], Tensors], **config: object) -> str:
    tensors = change(load_file(saved / WEIGHTS))
    target.mkdir()
    save_file(tensors, target / WEIGHTS)
    (target / CONFIG).write_text(json.dumps({**json.loads((saved / CONFIG).read_text()), **config}))
    return str(target)


def test_layouts_of_older_transformers_load(saved: Path, tmp_path: Path, expected: np.ndarray) -> None:
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    for number, old in enumerate(("model.layers.", "thinker.model.layers.", "model.language_model.layers.")):

        def rename(tensors: Tensors, old: str = old) -> Tensors:
            renamed = {name.replace("language_model.layers.", old): value for name, value in tensors.items()}
            # bare names also matched the audio tower, where nothing was learned
            idle = "base_model.model.audio_tower.layers.9.self_attn.q_proj"
            return {**renamed, f"{idle}.lora_A.weight": torch.ones(4, 32), f"{idle}.lora_B.weight": torch.zeros(32, 4)}

        model = small()
        load_adapter(model[0].model, rewritten(saved, tmp_path / str(number), rename, target_modules=names), merge=True)
        assert np.abs(encode_items(model, ITEMS, batch_size=8) - expected).max() < 1e-5


def without(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if name != f"{LAYER}.lora_B.weight"}


def zeroed(tensors: Tensors) -> Tensors:
    return {**tensors, f"{LAYER}.lora_B.weight": torch.zeros_like(tensors[f"{LAYER}.lora_B.weight"])}


def unknown(tensors: Tensors) -> Tensors:
    return {name.replace("language_model.layers.", "decoder.blocks."): value for name, value in tensors.items()}


def wider(tensors: Tensors) -> Tensors:
    return {**tensors, f"{LAYER}.lora_B.weight": torch.ones(65, 4)}


def in_tower(tensors: Tensors) -> Tensors:
    path = "base_model.model.visual.blocks.77.attn.q"
    return {**tensors, f"{path}.lora_A.weight": torch.ones(4, 32), f"{path}.lora_B.weight": torch.ones(32, 4)}


def dora(tensors: Tensors) -> Tensors:
    return {**tensors, f"{LAYER}.lora_magnitude_vector": torch.ones(4)}


@pytest.mark.parametrize(
    ("change", "config", "says"),
    [
        (without, {}, r"no weights for language_model.layers.0.self_attn.q_proj.lora_B;"),
        (zeroed, {}, r"lora_B is zero in language_model.layers.0.self_attn.q_proj.lora_B;"),
        (unknown, {}, r"no weights for language_model.layers.0.self_attn.q_proj.lora_B.* and 11 more"),
        (wider, {}, r"q_proj does not fit the model"),
        (in_tower, {}, r"visual.blocks.77.attn.q does not fit the model"),
        (dora, {}, r"lora_magnitude_vector is not a LoRA weight"),
        (dict, {"use_dora": True}, r"not plain LoRA \(use_dora\)"),
        (dict, {"peft_type": "LOHA"}, r"not plain LoRA \(LOHA"),
    ],
)
def test_an_adapter_that_would_do_nothing_or_harm_is_refused(
    change: Callable[[Tensors], Tensors],
    config: dict[str, object],
    says: str,
    saved: Path,
    tmp_path: Path,
    model: SentenceTransformer,
) -> None:
    path = rewritten(saved, tmp_path / "bad", change, **config)
    for merge in (False, True):
        with pytest.raises(UserError, match=says) as caught:
            load_adapter(model[0].model, path, merge=merge)
        assert "\n" not in str(caught.value)
    assert not has_adapter(model[0].model)


def test_no_adapter_there(tmp_path: Path, model: SentenceTransformer) -> None:
    with pytest.raises(UserError, match="no model directory"):
        load_adapter(model[0].model, str(tmp_path / "none"))
    with pytest.raises(UserError, match="name a PEFT adapter in safetensors"):
        load_adapter(model[0].model, str(tmp_path))
    with pytest.raises(UserError, match="no adapter to save"):
        save_adapter(model[0].model, tmp_path, base="x")


def test_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """The trainer on items of all kinds, gradient caching, a checkpoint, and the rest of the steps from it."""
    from datasets import Dataset
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.losses import CachedMultipleNegativesRankingLoss

    small().save(str(tmp_path / "base"), create_model_card=False)
    items = list(kinds().values())[6:14]

    def train(to: Path, resume: str | None) -> dict[str, torch.Tensor]:
        learner = load_embedder(str(tmp_path / "base"), device="cpu", max_text_tokens=MAX_TEXT_TOKENS)
        attach_lora(learner[0].model, r=4, alpha=16, dropout=0.1, seed=5)
        rows = Dataset.from_dict({"query": [f"query {n}" for n in range(8)], "document": list(range(8))})
        rows.set_transform(lambda batch: {**batch, "document": [items[n] for n in batch["document"]]})
        arguments = SentenceTransformerTrainingArguments(
            output_dir=str(to), per_device_train_batch_size=4, max_steps=4, save_steps=2, learning_rate=1e-2, seed=5,
            prompts={"query": "Query: "}, report_to="none", use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        loss = CachedMultipleNegativesRankingLoss(learner, mini_batch_size=2)
        SentenceTransformerTrainer(learner, arguments, train_dataset=rows, loss=loss).train(resume)
        return {name: value.clone() for name, value in learner.state_dict().items() if ".lora_" in name}

    straight = train(tmp_path / "run", None)
    checkpoint = tmp_path / "run" / "checkpoint-2"
    assert (checkpoint / WEIGHTS).is_file() and not (checkpoint / "model.safetensors").exists()
    resumed = train(tmp_path / "resumed", str(checkpoint))
    assert straight.keys() == resumed.keys()
    assert all(torch.equal(straight[name], resumed[name]) for name in straight)
    assert all(value.any() for name, value in straight.items())
