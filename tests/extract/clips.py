"""Clips whose every frame says in its picture which one it is: the oracle for sampling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from tasks.corpus.demo_media import ordinary_priority

COLUMNS, ROWS = 6, 2  # one block a bit, lowest first
HEIGHT, WIDTH = 48, 96


def numbered(index: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A picture with its number in black and white blocks, uint8 (height, width, 3)."""
    bits = np.array([index >> bit & 1 for bit in range(ROWS * COLUMNS)], np.uint8).reshape(ROWS, COLUMNS) * 255
    rows = np.arange(height) * ROWS // height
    columns = np.arange(width) * COLUMNS // width
    return np.repeat(bits[rows][:, columns, None], 3, axis=2)


def number(picture: np.ndarray) -> int:
    """The number in a picture of any size, read at the blocks' centres."""
    height, width = picture.shape[:2]
    bits = [
        picture[(2 * row + 1) * height // (2 * ROWS), (2 * column + 1) * width // (2 * COLUMNS)].mean() > 127
        for row in range(ROWS)
        for column in range(COLUMNS)
    ]
    return sum(bool(bit) << index for index, bit in enumerate(bits))


def write_clip(
    path: Path,
    frames: int = 60,
    *,
    pts: Sequence[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    fps: int = 10,
    codec: str = "libx264",
    codec_options: Mapping[str, str] | None = None,
    draw: Callable[[int], np.ndarray] = numbered,
    pix_fmt: str = "yuv420p",
    form: str | None = None,
    into: Any = None,
) -> Path:
    """Write frames 0, 1, ... at `pts` (in time_base; by default one every 1/fps).

    `into` is a file object to write to in place of the path, in the container format `form`.
    """
    stamps = pts if pts is not None else [round(index / fps / time_base) for index in range(frames)]
    with av.open(into or str(path), "w", format=form) as container:
        stream = container.add_stream(codec, rate=fps, options=dict(codec_options or {}))
        first = draw(0)
        stream.height, stream.width, stream.pix_fmt = first.shape[0], first.shape[1], pix_fmt
        stream.codec_context.time_base = time_base
        for index, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(draw(index), format="rgb24")
            frame.pts, frame.time_base = stamp, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    ordinary_priority()  # SVT-AV1 may have left it
    return path
