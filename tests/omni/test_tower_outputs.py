"""Augmented tower outputs equal the outputs for augmented items."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.omni.inputs import Item, TowerOutput
from tasks.omni.tower_outputs import WORD, crop, only, run_towers, swapped
from tests.omni.conftest import small
from tests.omni.encoding import item_with
from tests.omni.kinds import TEXTS, frames, sound

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

HERE = Item(text=TEXTS[0], frames=frames(8), audio=sound(1.5))
THERE = Item(text=TEXTS[2], frames=frames(4, 84, 56)[::-1].copy(), audio=sound(0.8, 660.0))
Modalities = set[Any]


@pytest.fixture(scope="module")
def tower() -> SentenceTransformer:
    return small().requires_grad_(requires_grad=False)


@pytest.fixture(scope="module")
def here(tower: SentenceTransformer) -> TowerOutput:
    return run_towers(tower, [HERE], batch_size=1)[0]


@pytest.fixture(scope="module")
def there(tower: SentenceTransformer) -> TowerOutput:
    return run_towers(tower, [THERE], batch_size=1)[0]


def same(one: TowerOutput, other: TowerOutput) -> None:
    assert (one.text, one.grid) == (other.text, other.grid)
    assert (one.video_tokens, one.audio_tokens) == (other.video_tokens, other.audio_tokens)
    assert (one.media is None) == (other.media is None)
    if one.media is not None and other.media is not None:
        torch.testing.assert_close(one.media, other.media, atol=1e-5, rtol=1e-5)


def test_fewer_modalities(tower: SentenceTransformer, here: TowerOutput) -> None:
    for kept in ({"text"}, {"video"}, {"audio"}, {"text", "audio"}, {"video", "audio"}, {"text", "video", "audio"}):
        same(only(here, kept), run_towers(tower, [item_with(HERE, kept)], batch_size=1)[0])


def test_an_item_of_nothing_still_has_an_embedding(tower: SentenceTransformer, here: TowerOutput) -> None:
    module: Any = tower[0]
    nothing = only(only(here, {"text"}), {"audio"})
    assert (nothing.text, nothing.grid, nothing.media) == (None, None, None)
    together = tower.eval()(module.preprocess([nothing, here]))["sentence_embedding"]
    assert together.isfinite().all() and together.shape[0] == 2
    alone = tower(module.preprocess([here]))["sentence_embedding"]
    torch.testing.assert_close(together[1:], alone, atol=1e-5, rtol=1e-5)


def test_one_modality_of_another(tower: SentenceTransformer, here: TowerOutput, there: TowerOutput) -> None:
    mixed = {
        "text": Item(THERE.text, HERE.frames, HERE.audio),
        "video": Item(HERE.text, THERE.frames, HERE.audio),
        "audio": Item(HERE.text, HERE.frames, THERE.audio),
    }
    for modality, expected in mixed.items():
        same(swapped(here, there, modality), run_towers(tower, [expected], batch_size=1)[0])  # type: ignore[arg-type]


def test_a_crop_of_a_clip_is_the_towers_output_for_its_frames(tower: SentenceTransformer, here: TowerOutput) -> None:
    assert HERE.frames is not None and here.media is not None
    starts = set()
    for seed in range(6):
        part = crop(here, 0.5, Random(seed))
        assert part.grid == (2, 4, 4)
        clips = [run_towers(tower, [Item(frames=HERE.frames[at : at + 4])], batch_size=1)[0].media for at in (0, 2, 4)]
        found = part.media[: part.video_tokens] if part.media is not None else None
        starts |= {at for at, clip in enumerate(clips) if clip is not None and torch.allclose(clip, found, atol=1e-5)}
        heard = part.media[part.video_tokens :] if part.media is not None else torch.empty(0)
        whole = here.media[here.video_tokens :]
        assert len(heard) == round(len(whole) / 2)
        assert any(torch.equal(whole[at : at + len(heard)], heard) for at in range(len(whole)))
    assert len(starts) > 1, "not always the same"


def test_all_of_it_is_the_item(here: TowerOutput) -> None:
    same(crop(here, 1.0, Random(1)), here)


@settings(deadline=None)
@given(st.text(), st.floats(0.01, 1.0), st.integers(0, 99))
def test_a_stretch_of_a_text_is_some_of_its_words(text: str, part: float, seed: int) -> None:
    found = crop(TowerOutput(text), part, Random(seed)).text
    words = WORD.findall(text)
    assert found is not None and found in text
    if words:
        kept = max(1, round(part * len(words)))
        assert len(WORD.findall(found)) == kept
        assert any(words[at : at + kept] == WORD.findall(found) for at in range(len(words)))


@pytest.mark.parametrize(
    ("text", "count"), [(TEXTS[4], 22), ("สวัสดี", 4), ("a\tb  c", 3), (TEXTS[5], 8), ("e\u0301 x", 2)]
)
def test_a_sign_counts_where_no_space_parts_words(text: str, count: int) -> None:
    found = len(WORD.findall(text))
    assert found == count
