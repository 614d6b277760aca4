"""Eight sounds with clearly different spectra, synthesised at 16 kHz."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tasks.shared.artifacts.types import SAMPLE_RATE

Wave = NDArray[np.float64]


def synthesise(sound: str, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """A sound of `lexicon.SOUNDS` as float32 mono at 16 kHz, peak 0.9, pitch and timing drawn from `rng`."""
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    wave = _SOUNDS[sound](times, rng)
    return (wave * (0.9 / np.abs(wave).max())).astype(np.float32)


def _tone(frequency: Wave | float, times: Wave) -> Wave:
    """A sine whose frequency in Hz may change with time."""
    steps = np.broadcast_to(np.asarray(frequency, dtype=np.float64), times.shape)
    return np.sin(2 * np.pi * np.cumsum(steps) / SAMPLE_RATE)


def _noise(times: Wave, rng: np.random.Generator, low: float, high: float) -> Wave:
    """White noise between two frequencies in Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(len(times)))
    frequencies = np.fft.rfftfreq(len(times), 1 / SAMPLE_RATE)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(times))


def _strikes(times: Wave, period: float, start: float, decay: float) -> Wave:
    """An envelope that starts anew every `period` seconds and falls by e in `decay` seconds."""
    return np.where(times < start, 0.0, np.exp(-((times - start) % period) / decay))


def _siren(times: Wave, rng: np.random.Generator) -> Wave:
    middle, period = rng.uniform(850, 1000), rng.uniform(0.9, 1.3)
    wave = _tone(middle + 350 * np.sin(2 * np.pi * times / period), times)
    return wave + 0.3 * wave**3


def _bell(times: Wave, rng: np.random.Generator) -> Wave:
    base = rng.uniform(480, 560)
    partials = ((1.0, 1.0), (2.0, 0.6), (2.76, 0.5), (5.4, 0.25))
    ring = np.sum([share * _tone(base * ratio, times) for ratio, share in partials], axis=0)
    return np.asarray(ring * _strikes(times, rng.uniform(1.0, 1.3), rng.uniform(0, 0.2), 0.35))


def _drum(times: Wave, rng: np.random.Generator) -> Wave:
    beat = rng.uniform(0.32, 0.42)
    envelope = _strikes(times, beat, rng.uniform(0, 0.1), 0.07)
    return envelope * (_tone(70 + 60 * envelope, times) + 0.15 * _noise(times, rng, 100, 900))


def _rain(times: Wave, rng: np.random.Generator) -> Wave:
    drops = rng.random(len(times)) < 0.004
    return _noise(times, rng, 2200, 7800) + np.where(drops, rng.uniform(-3, 3, len(times)), 0.0)


def _engine(times: Wave, rng: np.random.Generator) -> Wave:
    base = rng.uniform(85, 110) * (1 + 0.05 * np.sin(2 * np.pi * times * rng.uniform(0.3, 0.6)))
    return np.asarray(np.sum([_tone(base * step, times) / step for step in range(1, 8)], axis=0))


def _whistle(times: Wave, rng: np.random.Generator) -> Wave:
    trill = _tone(rng.uniform(2700, 3000) + 120 * np.sign(np.sin(2 * np.pi * 28 * times)), times)
    return trill * (((times + rng.uniform(0, 0.3)) % 0.9) < 0.55)


def _music(times: Wave, rng: np.random.Generator) -> Wave:
    root = rng.uniform(250, 275)
    chords = ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7))
    wave = np.zeros_like(times)
    for index, chord in enumerate(chords):
        for place, step in enumerate(chord):
            playing = ((times / 0.25).astype(int) % 12) == index * 3 + place
            frequency = root * 2 ** (step / 12)
            wave += playing * (_tone(frequency, times) + 0.4 * _tone(2 * frequency, times))
        held = ((times / 0.75).astype(int) % 4) == index
        wave += 0.4 * held * _tone(root * 2 ** (chord[0] / 12) / 2, times)
    return wave


def _birds(times: Wave, rng: np.random.Generator) -> Wave:
    wave = np.zeros_like(times)
    for _ in range(max(3, round(5 * times[-1]))):
        start, length = rng.uniform(0, times[-1]), rng.uniform(0.06, 0.16)
        local = np.clip((times - start) / length, 0, 1)
        sweep = rng.uniform(3800, 5200) + rng.uniform(-900, 1500) * local
        wave += np.sin(np.pi * local) * _tone(sweep, times)
    return wave


_MAKERS = (_siren, _bell, _drum, _rain, _engine, _whistle, _music, _birds)
_SOUNDS = {make.__name__.removeprefix("_"): make for make in _MAKERS}
