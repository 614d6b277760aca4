"""A Thinker small enough for every test."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tasks.omni.loading import load_embedder
from tasks.omni.tiny import TinyConfig, build_tiny
from tests.omni.kinds import MAX_TEXT_TOKENS, TEXTS
from tests.omni.published import whole_thinker, write_processor, write_thinker

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

SMALL = TinyConfig(
    vocab_size=500, hidden=64, layers=2, heads=4, kv_heads=2, mlp=128, vision_hidden=32, vision_depth=2,
    vision_heads=2, vision_mlp=64, audio_hidden=32, audio_layers=2, audio_heads=2, audio_mlp=64,
)  # fmt: skip


def small(seed: int = 3) -> SentenceTransformer:
    """A fresh tiny embedder on the CPU, in evaluation mode."""
    return deepcopy(_built(seed))


@cache
def _built(seed: int) -> SentenceTransformer:
    model = build_tiny(TEXTS * 3, seed=seed, config=SMALL, device="cpu", max_text_tokens=MAX_TEXT_TOKENS)
    model[0].max_query_tokens = MAX_TEXT_TOKENS
    return model


def open_published(place: Path) -> SentenceTransformer:
    """A small random Thinker with Qwen's vocabulary, opened from two repositories as they lie on the hub."""
    thinker, processor = write_thinker(place / "thinker", whole_thinker()), write_processor(place / "processor")
    return load_embedder(str(thinker), processor=str(processor), device="cpu", max_text_tokens=MAX_TEXT_TOKENS)


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> SentenceTransformer:
    """`open_published`, for tests that do not change it."""
    return open_published(tmp_path_factory.mktemp("published"))


@pytest.fixture(scope="session")
def model() -> Iterator[SentenceTransformer]:
    """One tiny embedder for tests that do not change it."""
    shared = small()
    before = {name: value.clone() for name, value in shared.state_dict().items()}
    yield shared
    assert all((value == before[name]).all() for name, value in shared.state_dict().items())
