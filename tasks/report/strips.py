"""Filmstrips for the page: a few of a video's frames, small, in the shape in which the video is shown."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.shared.artifacts.media import Media, read_frames

if TYPE_CHECKING:
    from PIL import Image

FRAMES = 6
HALVES = 2  # a strip is two pictures, which stand side by side or, on a narrow screen, below one another
HEIGHT = 64  # pixels
WIDEST, NARROWEST = 16 / 9, 9 / 16  # a frame's width over its height; what goes beyond is squeezed
GAP = 2
QUALITY = 72


@dataclass(frozen=True)
class Picture:
    """A picture inside the page: a data URI, and its size in pixels."""

    uri: str
    width: int
    height: int


def data_uri(content: bytes, kind: str) -> str:
    """The bytes of a picture (`image/png`, `image/jpeg`) as a URI that needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def spread(count: int, wanted: int) -> list[int]:
    """Up to `wanted` places out of `count`, evenly from the first to the last."""
    if count <= wanted:
        return list(range(count))
    if wanted == 1:
        return [0]
    return [round(place * (count - 1) / (wanted - 1)) for place in range(wanted)]


def filmstrip(media: Media | None, folder: Path) -> list[Picture]:
    """Up to six frames as two JPEG halves, in the order of time; nothing for a video without picture.

    Raises UserError where the strip of an extracted video cannot be read.
    """
    from PIL import Image

    frames = read_frames(media, folder) if media is not None else None
    if media is None or frames is None:
        return []
    shape = media.width / media.height if media.width and media.height else 1.0
    width = round(HEIGHT * min(max(shape, NARROWEST), WIDEST))
    chosen = [Image.fromarray(frames[place]) for place in spread(len(frames), FRAMES)]
    small = [one.resize((width, HEIGHT), Image.Resampling.LANCZOS) for one in chosen]
    each = -(-len(small) // HALVES)
    halves = [small[start : start + each] for start in range(0, len(small), each)]
    return [_joined(half, width, last=half is halves[-1]) for half in halves]


def _joined(frames: list[Image.Image], width: int, *, last: bool) -> Picture:
    """Frames side by side with thin gaps, and one after them where the other half follows."""
    from PIL import Image

    total = len(frames) * (width + GAP) - (GAP if last else 0)
    strip = Image.new("RGB", (total, HEIGHT), "#808890")
    for place, frame in enumerate(frames):
        strip.paste(frame, (place * (width + GAP), 0))
    stream = io.BytesIO()
    strip.save(stream, "JPEG", quality=QUALITY, optimize=True)
    return Picture(data_uri(stream.getvalue(), "image/jpeg"), total, HEIGHT)
