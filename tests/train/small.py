"""A training of a moment: a tiny embedder with an adapter, and rows of which every modality has some."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch
from safetensors.torch import load_file

from tasks.omni.lora import attach_lora, save_adapter
from tasks.omni.tower_outputs import run_towers
from tasks.shared.artifacts.types import Modality
from tasks.shared.execution.params import load_params
from tasks.shared.execution.params_train import Train
from tasks.shared.runtime.files import read_json, write_json
from tasks.train.inputs import Batch, Inputs, shares
from tasks.train.ranks import Ranks
from tasks.train.rows import Row
from tasks.train.trainer import fit
from tasks.train.views import Views
from tests.omni.conftest import SMALL
from tests.omni.kinds import MAX_TEXT_TOKENS, TEXTS, kinds

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

QUERIES = {f"q{number}": text for number, text in enumerate(TEXTS[:6])}
ROWS = [Row(f"q{number}", f"v{number}", (f"v{(number + 2) % 6}", f"v{(number + 3) % 6}")) for number in range(6)]
BATCHES = [[0, 1, 2, 3, 4], [5, 3, 1], [2], [4, 0]]  # one that is odd, one that no two ranks can share, and so on
SETTINGS: dict[str, Any] = {
    "epochs": 1, "batch_size": 5, "mini_batch_size": 2, "negatives": 2, "temperature": 0.1, "learning_rate": 0.001,
    "lora_r": 4, "lora_alpha": 8, "lora_dropout": 0.0, "save_steps": 1000,
}  # fmt: skip
HAS: dict[str, set[Modality]] = {
    "v0": {"text"}, "v1": {"video"}, "v2": {"audio"}, "v3": {"text", "video"}, "v4": {"video", "audio"},
    "v5": {"text", "video", "audio"},
}  # fmt: skip
EVERYTHING = {  # every objective at once
    "objectives": {"query": 1.0, "symmetric": 0.5, "tuple": 0.7, "teacher": 0.8, "alignment": 0.9},
    "modality_dropout": {"text": 0.3, "video": 0.3, "audio": 0.3},
    "temperatures": {"text": 0.2, "video": None, "audio": 0.3},
    "false_negative_margin": 0.5, "hardness": 0.1,
}  # fmt: skip


def learner(dropout: float = 0.0, dtype: torch.dtype = torch.float32) -> SentenceTransformer:
    """A fresh tiny embedder with an adapter that does something already, in training mode."""
    from tasks.omni.tiny import build_tiny

    model = build_tiny(TEXTS * 3, seed=3, config=SMALL, device="cpu", max_text_tokens=MAX_TEXT_TOKENS)
    model = model.to(dtype)
    attach_lora(model[0].model, r=4, alpha=8, dropout=dropout, seed=5)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, weight in adapter(model).items():
            if "lora_B" in name:
                weight.copy_(torch.randn(weight.shape, generator=generator) / 50)
    return model.train()


def adapter(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The weights that learn."""
    return {name: weight for name, weight in model.named_parameters() if weight.requires_grad}


def settings(**changes: Any) -> Train:
    """Those of a training of a moment, some of them changed."""
    return Train(**load_params().train.model_dump() | SETTINGS | changes)


def inputs(model: SentenceTransformer, params: Train) -> Inputs:
    """What makes tensors of rows: texts, clips, sounds and mixtures."""
    items = [kinds()[name] for name in ("text_arabic", "video", "audio", "text_video", "video_audio", "all")]
    seen = dict(zip(HAS, run_towers(model, items, batch_size=1), strict=True))
    views = Views(params, 7, {name: {one: f"{one} of {name}" for one in has} for name, has in HAS.items()})
    return Inputs(cast("Any", model[0]), QUERIES, cast("Any", seen), views)


def batch(model: SentenceTransformer, numbers: list[int], number: int = 0, **changes: Any) -> Batch:
    """A batch on one rank, the `number`th of its training."""
    return inputs(model, settings(**changes))([shares(ROWS, [[]] * number + [numbers], 0, 1)[number]])


def train(folder: Path, ranks: Ranks, **changes: Any) -> None:
    """Train, and write the adapter and the curve into the folder, on rank 0."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    params = settings(**changes)
    dtype = torch.bfloat16 if params.dtype == "bfloat16" else torch.float32
    model = learner(params.lora_dropout, dtype)
    if params.gradient_checkpointing:
        cast("Any", model[0]).model.language_model.gradient_checkpointing_enable({"use_reentrant": False})
    own = shares(ROWS, BATCHES, ranks.rank, ranks.count)
    history = fit(
        model,
        own,
        inputs(model, params),
        folder / "checkpoints",
        None,
        params=params,
        seed=7,
        ranks=ranks,
        tracker=None,
    )
    if ranks.rank == 0:
        save_adapter(model[0].model, folder, "tiny")
        write_json(folder / "curve.json", [[entry["loss"], entry["grad_norm"]] for entry in history])


def trained(folder: Path) -> tuple[dict[str, torch.Tensor], list[list[float]]]:
    """What `train` has written: weights, and every step's loss and length of the gradient."""
    return load_file(folder / "adapter_model.safetensors"), read_json(folder / "curve.json")
