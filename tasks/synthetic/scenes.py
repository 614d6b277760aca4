"""A frame of an event: background of its kind, landmark, moving object, and a sign.

Everything is placed in units of the frame, so a frame resized to a square shows the same picture whatever its
aspect was. The sign fills the lower third: two words, each letter a sixth of the width and of the height, so that
at 84 x 84 pixels a letter lies on one 14-pixel patch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont

from tasks.synthetic.backgrounds import PHASES, background
from tasks.synthetic.canvas import Canvas
from tasks.synthetic.events import Event
from tasks.synthetic.icons import sprite

Style = Literal["professional", "edited", "raw"]
STYLES: tuple[Style, ...] = ("professional", "edited", "raw")
Frame = NDArray[np.uint8]  # (height, width, 3)

CYCLES = 3  # how often a background's motion repeats in a clip
CELL = 1 / 6  # of the frame: a letter of the sign
PLATES = ("#f6f1e2", "#e8eef4", "#f4e9b8")
LETTERS = "#101826"


@dataclass(frozen=True)
class Shot:
    """What stays the same through a clip: where things stand and how the camera behaves."""

    style: Style
    mirrored: bool
    object_x: float  # centres, in frame units
    object_y: float
    object_size: float
    landmark_x: float
    landmark_size: float
    swing: float  # phase of the object's motion
    brightness: float
    plate: int
    sign_dx: float
    sign_dy: float
    noise: int


def make_shot(style: Style, rng: np.random.Generator) -> Shot:
    """A new camera position."""
    low, high = {"professional": (0.97, 1.06), "edited": (0.85, 1.12), "raw": (0.6, 0.85)}[style]
    return Shot(
        style=style,
        mirrored=bool(rng.random() < 0.5),
        object_x=float(rng.uniform(0.66, 0.74)),
        object_y=float(rng.uniform(0.34, 0.44)),
        object_size=float(rng.uniform(0.38, 0.46)),
        landmark_x=float(rng.uniform(0.22, 0.30)),
        landmark_size=float(rng.uniform(0.38, 0.45)),
        swing=float(rng.uniform(0, 2 * math.pi)),
        brightness=float(rng.uniform(low, high)),
        plate=int(rng.integers(len(PLATES))),
        sign_dx=float(rng.uniform(-0.008, 0.008)),
        sign_dy=float(rng.uniform(-0.006, 0.006)),
        noise=int(rng.integers(1 << 31)),
    )


def draw_frame(event: Event, t: float, width: int, height: int, *, shot: Shot, show_sign: bool = True) -> Frame:
    """The picture at `t` in [0, 1] of a clip, uint8 (height, width, 3). The same arguments give the same bytes."""
    picture = background(event.kind, width, height, int(t * CYCLES * PHASES) % PHASES).copy()
    _place_scene(picture, event, t, shot)
    if show_sign:
        plate = _plate(event.sign, width, height, shot.plate)
        picture.paste(plate, (round(shot.sign_dx * width), height - plate.height + round(shot.sign_dy * height)))
    if shot.style == "professional":
        _place_logo(picture)
    return _filmed(picture, t, shot)


def draw_clip(
    event: Event,
    frames: int,
    width: int,
    height: int,
    *,
    style: Style,
    rng: np.random.Generator,
    show_sign: bool = True,
) -> NDArray[np.uint8]:
    """Frames evenly through a clip, uint8 (frames, height, width, 3)."""
    shot = make_shot(style, rng)
    times = [(index + 0.5) / frames for index in range(frames)]
    return np.stack([draw_frame(event, t, width, height, shot=shot, show_sign=show_sign) for t in times])


def _place_scene(picture: Image.Image, event: Event, t: float, shot: Shot) -> None:
    width, height = picture.size

    def centred(icon: Image.Image, x: float, y: float) -> None:
        x = 1 - x if shot.mirrored else x
        picture.paste(icon, (round(x * width - icon.width / 2), round(y * height - icon.height / 2)), icon)

    size = shot.landmark_size
    landmark = sprite(event.landmark, round(size * width), round(1.15 * size * height))
    centred(landmark, shot.landmark_x, 0.62 - 1.15 * size / 2)
    size = shot.object_size
    thing = sprite(event.object, round(size * width), round(size * height), event.colour)
    turn = 2 * math.pi * t + shot.swing
    centred(thing, shot.object_x + 0.035 * math.sin(turn), shot.object_y + 0.025 * math.sin(2 * turn))


@lru_cache(maxsize=64)
def _plate(sign: tuple[str, str], width: int, height: int, tint: int) -> Image.Image:
    cell_x, cell_y = width * CELL, height * CELL
    plate = Image.new("RGB", (width, round(2 * cell_y)), PLATES[tint])
    ImageDraw.Draw(plate).rectangle([0, 0, width - 1, plate.height - 1], outline="#7d8794", width=1)
    for row, word in enumerate(sign):
        for column, letter in enumerate(word):
            glyph = _glyph(letter, round(cell_x * 0.86), round(cell_y * 0.80))
            corner = (round((column + 0.07) * cell_x), round((row + 0.10) * cell_y))
            plate.paste(LETTERS, (*corner, corner[0] + glyph.width, corner[1] + glyph.height), glyph)
    return plate


@lru_cache(maxsize=512)
def _glyph(letter: str, width: int, height: int) -> Image.Image:
    """A capital's coverage stretched to a box: its full advance wide, cap height tall."""
    font = _font()
    _, top, _, bottom = font.getbbox("H", anchor="ls")
    advance = round(font.getlength("H"))
    mask = Image.new("L", (advance, round(bottom - top)))
    ImageDraw.Draw(mask).text((0, mask.height), letter, fill=255, font=font, anchor="ls")
    return mask.resize((width, height), Image.Resampling.BOX)


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont:
    """The monospaced face that matplotlib carries, the same on every machine; importing it would take a second."""
    package = find_spec("matplotlib")
    assert package is not None and package.origin is not None
    path = Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSansMono-Bold.ttf"
    return ImageFont.truetype(str(path), 120, layout_engine=ImageFont.Layout.BASIC)


def _place_logo(picture: Image.Image) -> None:
    logo = _logo(round(picture.width * 0.09), round(picture.height * 0.09))
    picture.paste(logo, (round(picture.width * 0.89), round(picture.height * 0.03)), logo)


@lru_cache(maxsize=16)
def _logo(width: int, height: int) -> Image.Image:
    canvas = Canvas(width, height)
    canvas.disc(50, 50, 48, "#22314d")
    canvas.poly([(38, 26), (76, 50), (38, 74)], "#f3f4f6")
    return canvas.picture()


def _filmed(picture: Image.Image, t: float, shot: Shot) -> Frame:
    """What the camera makes of the picture: light for all; blur, shake and noise for raw ones."""
    if shot.style != "professional":
        picture = ImageEnhance.Brightness(picture).enhance(shot.brightness)
    if shot.style != "raw":
        return np.asarray(picture)
    pixels = np.asarray(picture.filter(ImageFilter.BoxBlur(picture.width / 500)))
    rng = np.random.default_rng((shot.noise, round(t * 1e6)))
    height, width, _ = pixels.shape
    down, right = rng.normal(0, 0.006, 2).tolist()
    pixels = np.roll(pixels, (round(down * height), round(right * width)), (0, 1))
    # two pixels a side: finer grain costs a video codec much and a viewer sees no more
    grain = rng.integers(-22, 23, ((height + 1) // 2, (width + 1) // 2, 1), dtype=np.int16)
    grain = grain.repeat(2, 0).repeat(2, 1)[:height, :width]
    return np.clip(pixels + grain, 0, 255).astype(np.uint8)
