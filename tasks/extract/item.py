"""One video to a folder of the item store: `frames.png` (or `.jpg`), `audio.flac`, and `item.json` about both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from av.audio.resampler import AudioResampler
from PIL import Image

from tasks.shared.artifacts.media import Media
from tasks.shared.artifacts.types import SAMPLE_RATE
from tasks.shared.runtime.files import link_or_copy, read_json, sha256_file, write_json
from tasks.video.container import UnreadableVideoError, check_file, open_video
from tasks.video.picture import read_picture, square

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame

    from tasks.shared.artifacts.corpus import Video
    from tasks.shared.execution.params_sections import Extract

SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
ITEM, AUDIO = "item.json", "audio.flac"
FLAC_BLOCK = 4096  # samples


def extract(source: tuple[Video, Extract], folder: Path) -> None:
    """Fill `folder` from a video. Raises what the readers raise, and UnreadableVideoError for a file that is not the
    one the manifest describes: everything that follows is keyed by that digest."""
    video, params = source
    check_file(path := Path(video.path), video.sha256, video.bytes)
    picture = read_picture(path, params.frames, square(params.size))
    sound = read_sound(path, params.max_audio_seconds)
    if picture is None and sound is None:
        raise UnreadableVideoError("neither picture nor sound in it")
    item: dict[str, Any] = {
        "frames": None, "frames_sha256": None, "times": [], "source_frames": 0, "width": 0, "height": 0,
        "audio": None, "audio_sha256": None, "audio_seconds": 0.0,
    }  # fmt: skip
    if picture is not None:
        strip = folder / f"frames{SUFFIXES[params.format]}"
        _write_strip(strip, picture.frames, params.format)
        item |= {
            "frames": strip.name, "frames_sha256": sha256_file(strip), "times": picture.times,
            "source_frames": picture.source_frames, "width": picture.width, "height": picture.height,
        }  # fmt: skip
    if sound is not None:
        write_flac(folder / AUDIO, sound)
        sha256, seconds = sha256_file(folder / AUDIO), len(sound) / SAMPLE_RATE
        item |= {"audio": AUDIO, "audio_sha256": sha256, "audio_seconds": seconds}
    write_json(folder / ITEM, item)


def assemble(video: Video, entry: Path, out: Path) -> Media:
    """Put a finished item's files into the extract folder under the video's id."""
    item = read_json(entry / ITEM)
    for kind in ("frames", "audio"):
        if name := item[kind]:
            item[kind] = f"{kind}/{video.video_id}{Path(name).suffix}"
            link_or_copy(entry / name, out / item[kind])
    return Media(video_id=video.video_id, video_sha256=video.sha256, **item)


def _write_strip(path: Path, frames: list[np.ndarray], form: str) -> None:
    """Frames uint8 (h, w, 3) side by side in one row. JPEG keeps full colour resolution, so that no frame's colour
    runs far into the next."""
    image = Image.fromarray(np.concatenate(frames, axis=1))
    if form == "png":
        image.save(path, "PNG", compress_level=6)
    else:
        image.save(path, "JPEG", quality=95, subsampling=0)


def read_sound(path: Path, max_seconds: int) -> np.ndarray | None:
    """The main audio stream as int16 (samples,), cut at `max_seconds`; None where the file has no sound.

    Channels are mixed down and resampled by swresample. The track starts with the stream's first sample: where the
    sound sets in later than the picture, and where its time stamps leap, no silence is put in. Raises
    UnreadableVideoError without a decoder, av.FFmpegError where one fails before the cut.
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
