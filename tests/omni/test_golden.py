"""What was proved equal to Hugging Face's processor stays so where torchvision cannot be imported.

`golden.json` was written where `test_processor_equality.py` passes, by `python -m tests.omni.test_golden`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.omni.kinds import kinds

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

GOLDEN = Path(__file__).with_name("golden.json")
PLACES = 61  # sampled values a mel: their order and size, which a digest of floats could not compare with tolerance


def digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()


def prepared(model: SentenceTransformer, name: str) -> dict[str, Any]:
    """An item's preparation in short: exact where it is exact on every machine, sampled where it is not."""
    features = model[0].preprocess([kinds()[name]])
    found: dict[str, Any] = {"ids": digest(features["input_ids"]), "tokens": features["input_ids"].shape[1]}
    found["positions"] = digest(features["position_ids"])
    if "pixel_values_videos" in features:
        found["grid"] = features["video_grid_thw"][0].tolist()
        found["patches"] = digest((features["pixel_values_videos"] * 4096).round().int())
    if "input_features" in features:
        mel = features["input_features"][0]
        found["mel_shape"] = list(mel.shape)
        step = max(1, mel.numel() // PLACES)
        found["mel"] = [round(value, 5) for value in mel.flatten()[::step].tolist()]
        found["mel_bins"] = [round(value, 5) for value in mel.mean(dim=1).tolist()]
    return found


@pytest.mark.parametrize("name", kinds())
def test_prepared_as_ever(name: str, model: SentenceTransformer) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[name]
    found = prepared(model, name)
    for key in ("mel", "mel_bins"):
        assert found.pop(key, None) == pytest.approx(golden.pop(key, None), abs=1e-3)
    assert found == golden


if __name__ == "__main__":
    from tests.omni.conftest import small

    tiny = small()
    lines = {name: prepared(tiny, name) for name in kinds()}
    GOLDEN.write_text(json.dumps(lines, indent=1, sort_keys=True) + "\n", encoding="utf-8")
