"""Frames sampled uniformly from a video, by their index in presentation order.

The rule is OmniEmbed-MultiVENT's (Tevatron): of n frames, those at `round(linspace(0, n - 1, count))`, halves to
even; of a video with no more than `count` frames, all of them, each once. Time plays no part in the choice, so of a
video with a variable frame rate the busy stretches give more frames. What n is, is known only once everything is
decoded: headers lie, edit lists hide frames, some files state nothing. So the header's count (or the number of
packets) is a guess that decides which frames are kept while decoding, and when it proves wrong the video is decoded
once more with the right one. No more than `count` resized pictures are held at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from PIL import Image

from tasks.video.container import UnreadableVideoError, open_video

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

Resize = Callable[[Image.Image], Image.Image]
STILL = av.stream.Disposition.attached_pic | av.stream.Disposition.timed_thumbnails  # cover art is no video


@dataclass(frozen=True)
class Picture:
    """Frames of one video."""

    frames: list[np.ndarray]  # each uint8 (height, width, 3) RGB, as resized
    times: list[float]  # seconds of each from the video's first frame, by its time stamps
    source_frames: int  # of the video
    width: int  # of the video in pixels, rotation applied
    height: int


def sample_indices(total: int, count: int) -> list[int]:
    """Which of `total` frames stand for the video, in order: `count` of them, or all where there are no more."""
    if total <= count:
        return list(range(total))
    return [int(index) for index in np.round(np.linspace(0, total - 1, count))]


def read_picture(path: Path, count: int, resize: Resize) -> Picture | None:
    """Sampled frames of the video's main picture stream; None where the file has none, or only cover art.

    Frames are turned and mirrored as the display matrix says, converted to RGB by swscale and given to `resize`. Not
    deinterlaced, not tone-mapped. Raises UnreadableVideoError where there is no decoder, no frame in the stream, or a
    sampled frame is damaged; av.FFmpegError where demuxer or decoder met an error, wherever in the stream: never a
    silently shorter video.
    """
    with open_video(path) as container:
        stream = picture_stream(container)
        if stream is None:
            return None
        guess = stream.frames
    guess = guess or _packets(path) or 1
    picture, total = _decode(path, sample_indices(guess, count), resize)
    if total != guess:
        picture, again = _decode(path, sample_indices(total, count), resize)
        if again != total:
            raise UnreadableVideoError(f"decoded twice, it had {total} frames and then {again}")
    return picture


def square(size: int) -> Resize:
    """To `size` pixels a side by Pillow's bicubic filter, the aspect ratio dropped."""
    return lambda image: image.resize((size, size), Image.Resampling.BICUBIC)


def bounded(longest: int) -> Resize:
    """As it is, or smaller at the same aspect ratio where a side is longer than `longest` pixels."""

    def resize(image: Image.Image) -> Image.Image:
        if max(image.size) <= longest:
            return image
        scale = longest / max(image.size)
        return image.resize([max(1, round(side * scale)) for side in image.size], Image.Resampling.BICUBIC)

    return resize


def picture_stream(container: InputContainer) -> VideoStream | None:
    """The stream a player would show, cover art and thumbnails left aside."""
    moving = [stream for stream in container.streams.video if not stream.disposition & STILL]
    best = container.streams.best("video")
    return next((stream for stream in moving if best and stream.index == best.index), moving[0] if moving else None)


def _packets(path: Path) -> int:
    with open_video(path) as container:
        return sum(packet.size > 0 for packet in container.demux(picture_stream(container)))


def _decode(path: Path, wanted: list[int], resize: Resize) -> tuple[Picture, int]:
    """Decode everything, keep the frames at these indices (those the video has), and count all."""
    frames: list[np.ndarray] = []
    times: list[float] = []
    width = height = total = 0
    start: int | None = None
    keep = set(wanted)
    with open_video(path) as container:
        stream = picture_stream(container)
        if stream is None or stream.codec_context is None:
            raise UnreadableVideoError("no decoder for its picture")
        stream.thread_type = "AUTO"
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        for index, frame in enumerate(container.decode(stream)):
            total += 1
            if index not in keep:
                continue
            if frame.is_corrupt:
                raise UnreadableVideoError(f"frame {index} is damaged; fetch the file again")
            pixels = upright(frame.to_ndarray(format="rgb24"), _display_matrix(frame))
            if index == 0:
                start = frame.pts
                height, width = pixels.shape[:2]
            frames.append(np.asarray(resize(Image.fromarray(np.ascontiguousarray(pixels)))))
            if start is None or frame.pts is None or frame.time_base is None:  # a raw stream
                times.append(round(float(index / rate), 6))
            else:
                times.append(round(float((frame.pts - start) * frame.time_base), 6))
    if not total:
        raise UnreadableVideoError("a picture stream without a single frame")
    return Picture(frames, times, total, width, height), total


def upright(pixels: np.ndarray, matrix: bytes | None) -> np.ndarray:
    """Pixels (height, width, 3) as they are meant to be seen, turned and mirrored. `matrix` is ffmpeg's display matrix,
    nine int32 (a b u, c d v, x y w): x' = a x + c y and y' = b x + d y. One that turns by no multiple of 90 degrees
    counts as the nearest that does."""
    if matrix is None:
        return pixels
    a, b, _, c, d = np.frombuffer(matrix, dtype=np.int32, count=5).tolist()
    if abs(b) + abs(c) > abs(a) + abs(d):
        pixels = pixels.swapaxes(0, 1)
        mirrored, upended = c < 0, b < 0
    else:
        mirrored, upended = a < 0, d < 0
    if mirrored:
        pixels = pixels[:, ::-1]
    return pixels[::-1] if upended else pixels


def _display_matrix(frame: VideoFrame) -> bytes | None:
    data: Any = frame.side_data.get("DISPLAYMATRIX")
    return None if data is None else bytes(data)
