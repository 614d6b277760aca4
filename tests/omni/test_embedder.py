"""One embedding an item: whatever its batch, its way in, and whether it was saved in between."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from sentence_transformers.base.losses.gradcache import _create_minibatch

from tasks.omni.loading import load_embedder
from tasks.omni.lora import attach_lora
from tasks.omni.tower_outputs import run_towers
from tasks.omni.towers import embed_clips
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under, sha256_file
from tests.omni import reference
from tests.omni.conftest import small
from tests.omni.encoding import encode_items, item_with
from tests.omni.kinds import MAX_TEXT_TOKENS, TEXTS, frames, kinds, sound

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

ITEMS = list(kinds().values())


@pytest.fixture(scope="module")
def alone(model: SentenceTransformer) -> np.ndarray:
    return np.concatenate([encode_items(model, [item], batch_size=1) for item in ITEMS])


@pytest.mark.parametrize("batch_size", [2, 5, 64])
def test_a_mixed_batch_equals_one_at_a_time(batch_size: int, model: SentenceTransformer, alone: np.ndarray) -> None:
    assert np.abs(encode_items(model, ITEMS, batch_size=batch_size) - alone).max() < 1e-5
    backwards = encode_items(model, ITEMS[::-1], batch_size=batch_size)[::-1]
    assert np.abs(backwards - alone).max() < 1e-5


def test_embeddings_tell_items_apart(alone: np.ndarray) -> None:
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, atol=1e-6)
    others = alone @ alone.T - np.eye(len(alone))
    assert others.max() < 0.9999


def test_every_modality_counts(model: SentenceTransformer) -> None:
    item = kinds()["all"]
    parts = [item, *(item_with(item, {"text", "video", "audio"} - {left}) for left in ("text", "video", "audio"))]
    vectors = encode_items(model, parts, batch_size=4)
    assert (vectors[1:] @ vectors[0]).max() < 0.999


def test_equals_the_stock_model_on_the_same_features(model: SentenceTransformer, alone: np.ndarray) -> None:
    whole = reference.whole_model(model)
    for item, mine in zip(ITEMS, alone, strict=True):
        features = model[0].preprocess([item])
        for ours in ("position_ids", "num_videos_per_sample"):
            features.pop(ours, None)
        if "video_grid_thw" in features:
            features["video_second_per_grid"] = torch.ones(1)
        theirs = reference.embedding(whole, features)[0].numpy()
        assert mine @ theirs > 0.999999


def test_every_way_in_is_the_same(model: SentenceTransformer) -> None:
    item = kinds()["all"]
    mine = encode_items(model, [item], batch_size=1)
    as_dict = {"text": item.text, "video": item.frames, "audio": item.audio}
    assert np.abs(model.encode([as_dict, "another"])[:1] - mine).max() < 1e-5
    assert np.abs(model.encode([item, kinds()["text"]])[:1] - mine).max() < 1e-5
    queries = encode_items(model, [kinds()["text"]], batch_size=1, prompt="Query: ")
    assert np.abs(model.encode_query([TEXTS[0]]) - queries).max() < 1e-5
    assert np.abs(model.encode_document([TEXTS[0]]) - queries).max() > 1e-3
    assert model.supports(("audio", "text", "video"))


def test_nothing_to_encode_is_no_vectors(model: SentenceTransformer) -> None:
    assert encode_items(model, [], batch_size=4).shape == (0, 64)


def pairs() -> tuple[list[Any], list[Any]]:
    queries: list[Any] = TEXTS[:6]
    documents: list[Any] = [
        {"text": TEXTS[1], "video": frames(4)},
        {"audio": sound(1.5)},
        TEXTS[3],
        {"video": frames(3, 84, 56), "audio": sound(0.7)},
        {"text": TEXTS[5], "audio": sound(2.5)},
        {"video": frames(1)},
    ]
    return queries, documents


@pytest.mark.parametrize("mini_batch_size", [1, 2, 4])
def test_cached_loss_and_gradients_equal_uncached(mini_batch_size: int) -> None:
    from sentence_transformers.losses import CachedMultipleNegativesRankingLoss, MultipleNegativesRankingLoss

    found = []
    for cached in (False, True):
        learner = small()
        kind: Any = CachedMultipleNegativesRankingLoss if cached else MultipleNegativesRankingLoss
        extra = {"mini_batch_size": mini_batch_size} if cached else {}
        loss = kind(learner, scale=20.0, **extra)
        features = [learner.preprocess(column) for column in pairs()]
        value = loss(features, None)
        value.backward()
        gradients = {name: one.grad for name, one in learner.named_parameters() if one.grad is not None}
        found.append((value.item(), gradients))
    (plain, expected), (value, gradients) = found
    assert value == pytest.approx(plain, rel=1e-5)
    assert gradients.keys() == expected.keys()
    assert any("visual" in name for name in gradients)
    assert any("audio_tower" in name for name in gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected[name], atol=2e-5, rtol=1e-3, msg=name)


def test_no_graph_through_frozen_towers() -> None:
    learner = small().train()
    learner[0].model.visual.requires_grad_(False)
    learner[0].model.audio_tower.requires_grad_(False)
    features = learner.preprocess([kinds()["all"]])
    features["pixel_values_videos"].requires_grad_()
    assert not embed_clips(learner[0].model, features).requires_grad
    assert learner(features)["sentence_embedding"].requires_grad


def test_tower_outputs_embed_as_their_items() -> None:
    learner = small()
    with pytest.raises(UserError, match="towers are being trained"):
        run_towers(learner, ITEMS, batch_size=4)
    attach_lora(learner[0].model, r=2, alpha=4, dropout=0.0, seed=0)
    learner.eval()
    seen = run_towers(learner, ITEMS, batch_size=4)
    assert [item.text for item in seen] == [item.text for item in ITEMS]
    with torch.no_grad():
        for some in (slice(0, 5), slice(3, 12), slice(None)):
            want = learner(learner.preprocess(ITEMS[some], prompt="Query: "))["sentence_embedding"]
            batch = learner.preprocess(seen[some], prompt="Query: ")
            sliced = [learner(_create_minibatch(batch, at, at + 3)) for at in range(0, len(ITEMS[some]), 3)]
            got = torch.cat([one["sentence_embedding"] for one in sliced])
            torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
        mixed = learner.preprocess([TEXTS[0], seen[-1]])
        assert learner(mixed)["sentence_embedding"].shape == (2, 64)
    with pytest.raises(UserError, match="mixes items and tower outputs"):
        learner.preprocess([ITEMS[-1], seen[-1]])


def test_saved_and_opened_by_plain_sentence_transformers(tmp_path: Path, model: SentenceTransformer) -> None:
    from sentence_transformers import SentenceTransformer

    at = str(tmp_path / "model")
    model.save(at, create_model_card=False)
    mine = encode_items(model, ITEMS, batch_size=8)
    # the flag admits a class outside the library; it is imported from this project, the directory holds no code
    plain = SentenceTransformer(at, trust_remote_code=True, device="cpu")
    for opened in (plain, load_embedder(at, device="cpu", max_text_tokens=MAX_TEXT_TOKENS)):
        assert np.array_equal(encode_items(opened, ITEMS, batch_size=8), mine)
        assert opened.prompts["query"] == "Query: "
    assert not list(Path(at).rglob("*.bin")) and not list(Path(at).rglob("*.py"))
    small().save(str(tmp_path / "again"), create_model_card=False)
    first, second = ([sha256_file(path) for path in files_under(tmp_path / name)] for name in ("model", "again"))
    assert first == second
