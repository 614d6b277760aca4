"""Every kind of item: prepared and embedded as by Hugging Face's processor and whole model. Needs torchvision.

Where pip has no torchvision for this torch, `torchvision_ops.py` says how to run this nonetheless.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from tests.omni import reference
from tests.omni.kinds import MAX_TEXT_TOKENS, kinds, large_kinds

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

pytest.importorskip("torchvision", exc_type=ImportError)
# a special token's name in a text: there the stock processor opens a turn, or fails; ours keeps it text
ITEMS = {name: item for name, item in (kinds() | large_kinds()).items() if name != "text_special_names"}


@pytest.fixture(scope="module", params=["own vocabulary", "Qwen's"])
def embedder(request: pytest.FixtureRequest, model: SentenceTransformer) -> SentenceTransformer:
    return model if request.param == "own vocabulary" else request.getfixturevalue("published")


@pytest.fixture(scope="module")
def processor(embedder: SentenceTransformer) -> Any:
    from transformers import Qwen2_5OmniProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor, WhisperFeatureExtractor

    sound = WhisperFeatureExtractor(feature_size=128, sampling_rate=16000, hop_length=160, chunk_length=300, n_fft=400)
    video = Qwen2VLVideoProcessor(patch_size=14, temporal_patch_size=2, merge_size=2)
    return Qwen2_5OmniProcessor(Qwen2VLImageProcessor(), video, sound, embedder.tokenizer, chat_template=None)


@pytest.fixture(scope="module")
def whole(embedder: SentenceTransformer) -> Any:
    return reference.whole_model(embedder)


@pytest.mark.parametrize("kind", ITEMS)
def test_equals_processor_and_model(kind: str, embedder: SentenceTransformer, processor: Any, whole: Any) -> None:
    item = ITEMS[kind]
    media: dict[str, Any] = {}
    if item.frames is not None:
        frames = np.repeat(item.frames, 2, axis=0) if len(item.frames) == 1 else item.frames
        media["videos"] = [torch.from_numpy(frames).permute(0, 3, 1, 2)]
    if item.audio is not None:
        media["audio"] = [item.audio]
    text = reference.rendered(item, embedder.tokenizer, MAX_TEXT_TOKENS)
    theirs = dict(processor(text=[text], **media, videos_kwargs={"do_resize": False}, return_tensors="pt"))
    theirs.pop("num_audio_tokens", None)
    if "video_second_per_grid" in theirs:
        theirs["video_second_per_grid"] = torch.as_tensor(theirs["video_second_per_grid"])
    ours = embedder[0].preprocess([item])

    assert ours["input_ids"].tolist() == theirs["input_ids"].tolist()
    assert torch.equal(ours["position_ids"].transpose(0, 1), reference.positions(whole, theirs))
    if item.frames is not None:
        assert ours["video_grid_thw"].tolist() == theirs["video_grid_thw"].tolist()
        assert torch.equal(ours["pixel_values_videos"], theirs["pixel_values_videos"])
    if item.audio is not None:
        kept = theirs["feature_attention_mask"].sum()
        assert ours["feature_attention_mask"].sum() == kept
        torch.testing.assert_close(ours["input_features"], theirs["input_features"][..., :kept], atol=1e-5, rtol=0)
    with torch.no_grad():
        embedded = embedder(ours)["sentence_embedding"]
    assert torch.cosine_similarity(embedded, reference.embedding(whole, theirs)).item() > 0.999999
