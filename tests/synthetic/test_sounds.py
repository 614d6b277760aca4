from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.synthetic.lexicon import SOUNDS
from tasks.synthetic.seeding import rng_for
from tasks.synthetic.sounds import synthesise


def profile(wave: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and spread over time of the log energy in 24 bands: what a mel front end sees of a sound."""
    spectra = np.abs(np.fft.rfft(wave[: len(wave) // 400 * 400].reshape(-1, 400) * np.hanning(400))) ** 2
    bands = np.stack([band.sum(1) for band in np.array_split(spectra, 24, axis=1)])
    energy = np.log10(bands + 1e-3)
    return np.concatenate([energy.mean(1), energy.std(1)])


def test_a_sound_is_told_from_the_others_by_its_spectrum() -> None:
    known = {
        sound: np.mean([profile(synthesise(sound, 4, rng_for(1, sound, n))) for n in range(3)], axis=0)
        for sound in SOUNDS
    }
    for sound in SOUNDS:
        for n in range(4):
            heard = profile(synthesise(sound, 3, rng_for(2, sound, n)))
            assert min(known, key=lambda name: float(np.linalg.norm(known[name] - heard))) == sound


def test_sounds_are_as_long_and_loud_as_promised_and_repeat() -> None:
    for sound in SOUNDS:
        wave = synthesise(sound, 2.5, rng_for(3))
        assert wave.dtype == np.float32
        assert len(wave) == 2.5 * SAMPLE_RATE
        assert np.isclose(np.abs(wave).max(), 0.9)
        assert np.array_equal(wave, synthesise(sound, 2.5, rng_for(3)))
        assert not np.array_equal(wave, synthesise(sound, 2.5, rng_for(4)))
