"""The audio track against waves whose samples are known."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tasks.extract.item import read_sound, resampled, write_flac
from tests.conftest import make_video


def write_wave(path: Path, samples: np.ndarray, rate: int, layout: str, codec: str = "pcm_s16le") -> Path:
    """int16 samples (n, channels) into a file."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        for start in range(0, len(samples), 1000):
            block = np.ascontiguousarray(samples[start : start + 1000]).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(block, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def tone(hertz: float, seconds: float, rate: int, peak: int = 10_000) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine of two waves over their common length, their first and last 50 ms aside."""
    length = min(len(one), len(other))
    a, b = (wave[800 : length - 800].astype(float) for wave in (one, other))
    return float(a @ b / np.sqrt((a @ a) * (b @ b)))


def test_sixteen_kilohertz_mono_passes_unchanged(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).integers(-(2**15), 2**15, 16_000).astype(np.int16)
    read = read_sound(write_wave(tmp_path / "a.wav", wave[:, None], 16_000, "mono"), 300)
    assert read is not None and read.dtype == np.int16
    assert np.array_equal(read, wave)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000])
def test_other_rates_are_resampled(tmp_path: Path, rate: int) -> None:
    read = read_sound(write_wave(tmp_path / "a.wav", tone(440, 1.5, rate)[:, None], rate, "mono"), 300)
    assert read is not None
    assert abs(len(read) - 24_000) <= 2
    assert similarity(read, tone(440, 1.5, 16_000)) > 0.999


def test_what_sixteen_kilohertz_cannot_hold_is_filtered_out(tmp_path: Path) -> None:
    read = read_sound(write_wave(tmp_path / "a.wav", tone(12_000, 1, 48_000)[:, None], 48_000, "mono"), 300)
    assert read is not None
    assert np.abs(read[800:-800]).max() < 100  # of 10,000: no alias at 4 kHz


def test_channels_are_mixed_evenly(tmp_path: Path) -> None:
    left, right = tone(440, 1, 16_000), tone(660, 1, 16_000)
    read = read_sound(write_wave(tmp_path / "a.wav", np.stack([left, right], 1), 16_000, "stereo"), 300)
    assert read is not None
    assert np.abs(read - (left.astype(int) + right) / 2).max() <= 1


def test_loud_surround_does_not_clip_into_noise(tmp_path: Path) -> None:
    loud = tone(440, 1, 48_000, peak=32_000)
    read = read_sound(write_wave(tmp_path / "a.wav", np.stack([loud] * 6, 1), 48_000, "5.1"), 300)
    assert read is not None
    assert similarity(read, tone(440, 1, 16_000)) > 0.999


def test_it_is_cut_at_the_limit(tmp_path: Path) -> None:
    wave = np.random.default_rng(0).integers(-1000, 1000, 16_000 * 3).astype(np.int16)
    read = read_sound(write_wave(tmp_path / "a.wav", wave[:, None], 16_000, "mono"), 2)
    assert read is not None
    assert np.array_equal(read, wave[:32_000])


@pytest.mark.parametrize(
    ("name", "codec", "audio_codec"),
    [("a.mp4", "libx264", "aac"), ("a.webm", "libvpx-vp9", "libopus"), ("a.ts", "libx264", "aac")],
)
def test_the_tone_of_a_video(tmp_path: Path, name: str, codec: str, audio_codec: str) -> None:
    clip = make_video(tmp_path / name, codec=codec, audio_codec=audio_codec, audio_seconds=2.0)
    read = read_sound(clip, 300)
    assert read is not None
    assert len(read) == pytest.approx(32_000, abs=1100)  # a transport stream keeps the encoder's padding
    spectrum = np.abs(np.fft.rfft(read * np.hanning(len(read))))
    assert spectrum.argmax() * 16_000 / len(read) == pytest.approx(440, abs=1)


def test_silence_is_a_track_and_no_stream_is_none(tmp_path: Path) -> None:
    read = read_sound(write_wave(tmp_path / "a.wav", np.zeros((8_000, 1), np.int16), 16_000, "mono"), 300)
    assert read is not None and len(read) == 8_000 and not read.any()
    assert read_sound(make_video(tmp_path / "a.mp4"), 300) is None


@pytest.mark.parametrize("length", [1, 15, 4095, 4096, 4097, 50_000])
def test_flac_gives_the_samples_back_and_the_same_bytes(tmp_path: Path, length: int) -> None:
    wave = np.random.default_rng(length).integers(-(2**15), 2**15, length).astype(np.int16)
    for name in ("a.flac", "b.flac"):
        write_flac(tmp_path / name, wave)
    assert (tmp_path / "a.flac").read_bytes() == (tmp_path / "b.flac").read_bytes()
    read = read_sound(tmp_path / "a.flac", 300)
    assert read is not None and np.array_equal(read, wave)


def test_a_broadcast_may_change_rate_and_channels(tmp_path: Path) -> None:
    parts = [
        write_wave(tmp_path / f"{rate}.ts", np.repeat(tone(440, 1, rate)[:, None], channels, 1), rate, layout, "mp2")
        for rate, channels, layout in ((48_000, 1, "mono"), (44_100, 2, "stereo"))
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    read = read_sound(joined, 300)
    assert read is not None
    assert len(read) == pytest.approx(32_000, abs=2500)
    for second in (read[2_000:14_000], read[18_000:30_000]):
        spectrum = np.abs(np.fft.rfft(second * np.hanning(len(second))))
        assert spectrum.argmax() * 16_000 / len(second) == pytest.approx(440, abs=2)


def test_no_sample_is_lost_where_the_rate_changes() -> None:
    def frames() -> Iterator[av.AudioFrame]:
        for rate in (48_000, 44_100, 48_000):
            frame = av.AudioFrame.from_ndarray(tone(440, 0.5, rate)[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
            yield frame

    assert sum(map(len, resampled(frames()))) == pytest.approx(24_000, abs=3)
