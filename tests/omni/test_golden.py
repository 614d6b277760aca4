"""What was proved equal to Hugging Face's processor stays so where torchvision cannot be imported.

`golden.json` was written where `test_processor_equality.py` passes, by `python -m tests.omni.test_golden`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from tests.omni.kinds import kinds, large_kinds

if TYPE_CHECKING:
    import torch
    from sentence_transformers import SentenceTransformer

GOLDEN = Path(__file__).with_name("golden.json")
ITEMS = kinds() | large_kinds()
PLACES = 61  # sampled values a mel: their order and size, which a digest of floats could not compare with tolerance


def digest(values: torch.Tensor) -> str:
    return hashlib.sha256(values.numpy().tobytes()).hexdigest()


def prepared(model: SentenceTransformer, name: str) -> dict[str, Any]:
    """An item's preparation in short: exact where it is exact on every machine, sampled where it is not."""
    features = model[0].preprocess([ITEMS[name]])
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


@pytest.mark.parametrize("name", ITEMS)
@pytest.mark.parametrize("vocabulary", ["model", "published"])
def test_prepared_as_ever(name: str, vocabulary: str, request: pytest.FixtureRequest) -> None:
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))[vocabulary][name]
    found = prepared(request.getfixturevalue(vocabulary), name)
    for key in ("mel", "mel_bins"):
        assert found.pop(key, None) == pytest.approx(golden.pop(key, None), abs=1e-3)
    assert found == golden


if __name__ == "__main__":
    from tests.omni.conftest import open_published, small

    with TemporaryDirectory() as place:
        models = {"model": small(), "published": open_published(Path(place))}
    lines = {key: {name: prepared(model, name) for name in ITEMS} for key, model in models.items()}
    GOLDEN.write_text(json.dumps(lines, indent=1, sort_keys=True) + "\n", encoding="utf-8")
