"""A video's audio track as 16 kHz mono FLAC."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import av
import numpy as np
from av.audio.resampler import AudioResampler

from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.video.container import UnreadableVideoError, open_video

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

FLAC_BLOCK = 4096  # samples


def read_sound(path: Path, max_seconds: int) -> np.ndarray | None:
    """The main audio stream as int16 (samples,), cut at `max_seconds`; None where the file has no sound.

    Channels are mixed down and resampled by swresample. The track starts with the stream's first sample: where the
    sound sets in later than the picture, and where its time stamps leap, no silence is put in.

    Raises UnreadableVideoError without a decoder, av.FFmpegError where one fails before the cut.
    """
    most = max_seconds * SAMPLE_RATE
    pieces: list[np.ndarray] = []
    length = 0
    with open_video(path) as container:
        best = container.streams.best("audio")
        if best is None:
            return None
        stream = next(stream for stream in container.streams.audio if stream.index == best.index)
        if stream.codec_context is None:
            raise UnreadableVideoError("no decoder for its sound")
        for piece in resampled(container.decode(stream)):
            pieces.append(piece)
            length += len(piece)
            if length >= most:
                break
    if not length:
        return None
    return np.concatenate(pieces)[:most]


def write_flac(path: Path, samples: np.ndarray) -> None:
    """Write int16 samples at 16 kHz; equal samples give equal bytes."""
    with av.open(str(path), "w", format="flac", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("flac", rate=SAMPLE_RATE, layout="mono", options={"flags": "+bitexact"})
        stream.format = "s16"
        for start in range(0, len(samples), FLAC_BLOCK):
            frame = av.AudioFrame.from_ndarray(samples[None, start : start + FLAC_BLOCK], format="s16", layout="mono")
            frame.sample_rate, frame.pts = SAMPLE_RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def resampled(frames: Iterator[AudioFrame]) -> Iterator[np.ndarray]:
    """Samples of 16 kHz mono; a stream may change its rate or channels on the way, as broadcasts do."""
    resampler: AudioResampler | None = None
    shape: tuple[str, str, int] | None = None
    for frame in frames:
        if resampler is None or (frame.format.name, frame.layout.name, frame.sample_rate) != shape:
            if resampler is not None:
                yield from _samples(resampler.resample(None))
            shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            resampler = AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        yield from _samples(resampler.resample(frame))
    if resampler is not None:
        yield from _samples(resampler.resample(None))


def _samples(frames: Sequence[AudioFrame | None]) -> Iterator[np.ndarray]:
    for frame in frames:
        if frame is not None:  # a stream that needs no conversion is passed through, its end too
            yield frame.to_ndarray().reshape(-1)
