"""The drawable landmarks: six of them, in stone.

Every icon fills its own square of 100 x 100 units and differs from the others in its silhouette.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PIL import Image

from tasks.synthetic.canvas import Canvas
from tasks.synthetic.objects import INK, outlined

STONE, SHADE = "#b9a78f", "#8a7862"


@lru_cache(maxsize=128)
def landmark_sprite(name: str, width: int, height: int) -> Image.Image:
    """A landmark in stone with a dark outline, RGBA."""
    canvas = Canvas(width, height)
    _LANDMARKS[name](canvas)
    return outlined(canvas.picture(), width)


def _tower(c: Canvas) -> None:
    c.box(34, 26, 66, 97, STONE)
    c.poly([(26, 26), (74, 26), (50, 2)], SHADE)
    for y in (36, 56):
        c.box(45, y, 55, y + 11, INK)
    c.box(43, 78, 57, 97, INK)


def _bridge(c: Canvas) -> None:
    for x in (20, 74):
        c.box(x, 12, x + 7, 92, SHADE)
    c.box(0, 62, 100, 72, STONE)
    c.line([(0, 48), (23, 14), (50, 52), (78, 14), (100, 48)], SHADE, 4)
    for x in (8, 35, 50, 65, 92):
        c.line([(x, 42 if x != 50 else 52), (x, 64)], SHADE, 2)


def _mosque(c: Canvas) -> None:
    c.box(20, 56, 80, 96, STONE)
    c.dome(50, 58, 27, SHADE)
    c.line([(50, 18), (50, 32)], SHADE, 4)
    for x in (4, 86):
        c.box(x, 26, x + 10, 96, STONE)
        c.poly([(x - 2, 27), (x + 12, 27), (x + 5, 6)], SHADE)
    c.dome(50, 80, 11, INK)
    c.box(39, 79, 61, 96, INK)


def _pyramid(c: Canvas) -> None:
    c.poly([(46, 14), (98, 94), (2, 94)], STONE)
    c.poly([(46, 14), (98, 94), (66, 94)], SHADE)
    for y in (40, 66):
        c.line([(46 - (y - 14) * 0.55, y), (46 + (y - 14) * 0.25, y)], SHADE, 2)


def _windmill(c: Canvas) -> None:
    c.poly([(38, 40), (62, 40), (72, 97), (28, 97)], STONE)
    c.dome(50, 42, 14, SHADE)
    for x, y in ((14, 4), (88, 10), (84, 80), (10, 74)):
        c.line([(50, 40), (x, y)], SHADE, 9)
    c.disc(50, 40, 6, INK)
    c.box(44, 80, 56, 97, INK)


def _wheel(c: Canvas) -> None:
    c.line([(50, 44), (26, 97)], STONE, 6)
    c.line([(50, 44), (74, 97)], STONE, 6)
    c.ring(50, 44, 38, SHADE, 6)
    for x, y in ((50, 6), (77, 17), (88, 44), (77, 71), (50, 82), (23, 71), (12, 44), (23, 17)):
        c.line([(50, 44), (x, y)], SHADE, 2)
        c.disc(x, y, 7, STONE)
    c.disc(50, 44, 6, INK)


_LANDMARKS: dict[str, Callable[[Canvas], None]] = {
    "tower": _tower,
    "bridge": _bridge,
    "mosque": _mosque,
    "pyramid": _pyramid,
    "windmill": _windmill,
    "wheel": _wheel,
}
