"""The formula against PyTorch's own count of what a tiny model of the same architecture does."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.omni_flops import encoding, training
from benchmarks.omni_gpu import contrast, prepare_training
from benchmarks.omni_shapes import TINY, build, sizes
from tasks.omni.encode_item import embed
from tasks.omni.inputs import Item
from tasks.shared.artifacts.types import SAMPLE_RATE


@pytest.fixture
def model() -> SentenceTransformer:
    return build(TINY, attention="sdpa", dtype=torch.float32, device="cpu")


def item(text: str | None = None, frames: tuple[int, int, int] | None = None, seconds: float = 0.0) -> Item:
    rng = np.random.default_rng(1)
    picture = None if frames is None else rng.integers(0, 256, (*frames, 3), np.uint8)
    sound = rng.normal(0, 0.1, round(seconds * SAMPLE_RATE)).astype(np.float32) if seconds else None
    return Item(text, picture, sound)


KINDS = {
    "text": item("flood " * 60),
    "small frames": item(frames=(4, 84, 84)),
    "frames of several windows": item(frames=(2, 280, 280)),
    "frames that no window fits": item(frames=(2, 140, 252)),
    "sound of whole pieces": item(seconds=6.0),
    "sound of pieces and a rest": item(seconds=5.31),
    "short sound": item(seconds=0.9),
    "all": item("flood " * 20, (24, 84, 84), 6.0),
}


def counted() -> FlopCounterMode:
    return FlopCounterMode(display=False)


@pytest.mark.parametrize("kind", KINDS)
def test_encoding_is_what_is_counted(model: SentenceTransformer, kind: str) -> None:
    features = model.preprocess([KINDS[kind]])
    with sdpa_kernel(SDPBackend.MATH), counted() as counter:
        embed(model, features)
    assert encoding(model[0].model.config, sizes(model, [KINDS[kind]])) == pytest.approx(
        counter.get_total_flops(), rel=0.02
    )


@pytest.mark.parametrize("checkpointing", [False, True])
def test_training_is_what_is_counted(model: SentenceTransformer, checkpointing: bool) -> None:
    prepare_training(model, checkpointing=checkpointing)
    items = [KINDS["all"], KINDS["small frames"], item("a question"), KINDS["sound of whole pieces"]]
    batches = [model.preprocess([one]) for one in items]
    with sdpa_kernel(SDPBackend.MATH), counted() as counter:
        contrast(model, batches[:1], batches[1:]).backward()
    by_formula = training(model[0].model.config, sizes(model, items), checkpointing=checkpointing)
    assert by_formula.hardware == pytest.approx(counter.get_total_flops(), rel=0.02)
    assert (by_formula.recomputed > 0) == checkpointing
