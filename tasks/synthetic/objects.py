"""The drawable objects: ten of them, in six colours.

Every icon fills its own square of 100 x 100 units and differs from the others in its silhouette.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from PIL import Image, ImageFilter

from tasks.synthetic.canvas import Canvas

INK = "#15171c"
GLASS = "#cfe6f2"

PAINTS = {
    "red": "#e5241f",
    "yellow": "#ffd90f",
    "green": "#18a53a",
    "blue": "#1657e0",
    "purple": "#9b2fc4",
    "white": "#fbfbfb",
}


@lru_cache(maxsize=512)
def object_sprite(name: str, colour: str, width: int, height: int) -> Image.Image:
    """An object in its colour with a dark outline, RGBA."""
    canvas = Canvas(width, height)
    _OBJECTS[name](canvas, PAINTS[colour])
    return outlined(canvas.picture(), width)


def outlined(picture: Image.Image, width: int) -> Image.Image:
    """The picture with a dark outline, RGBA."""
    reach = 2 * max(1, round(width / 60)) + 1
    edge = Image.new("RGBA", picture.size, INK)
    edge.putalpha(picture.getchannel("A").filter(ImageFilter.MaxFilter(reach)))
    edge.alpha_composite(picture)
    return edge


def _boat(c: Canvas, paint: str) -> None:
    c.poly([(4, 62), (96, 62), (80, 92), (20, 92)], paint)
    c.box(47, 8, 52, 62, INK)
    c.poly([(55, 10), (88, 54), (55, 54)], paint)
    c.poly([(44, 20), (18, 54), (44, 54)], GLASS)


def _truck(c: Canvas, paint: str) -> None:
    c.box(4, 24, 62, 74, paint)
    c.poly([(66, 40), (84, 40), (96, 58), (96, 74), (66, 74)], paint)
    c.poly([(71, 45), (82, 45), (90, 58), (71, 58)], GLASS)
    for x in (22, 48, 80):
        c.disc(x, 78, 11, INK)
        c.disc(x, 78, 4, GLASS)


def _tent(c: Canvas, paint: str) -> None:
    c.poly([(50, 12), (98, 90), (2, 90)], paint)
    c.poly([(50, 36), (68, 90), (32, 90)], INK)
    c.line([(50, 14), (50, 2)], INK, 4)


def _balloon(c: Canvas, paint: str) -> None:
    c.disc(50, 36, 34, paint)
    c.poly([(20, 52), (80, 52), (60, 76), (40, 76)], paint)
    c.line([(41, 74), (43, 84)], INK, 3)
    c.line([(59, 74), (57, 84)], INK, 3)
    c.box(39, 82, 61, 97, "#7a4a1e")


def _drone(c: Canvas, paint: str) -> None:
    for x in (18, 82):
        c.line([(50, 52), (x, 34)], paint, 7)
        c.box(x - 2, 26, x + 2, 36, INK)
        c.disc(x, 25, 18, paint, squash=0.28)
    c.disc(50, 54, 20, paint, squash=0.75)
    c.disc(50, 58, 8, INK)
    c.line([(34, 64), (26, 84), (42, 84)], INK, 4)
    c.line([(66, 64), (74, 84), (58, 84)], INK, 4)


def _bicycle(c: Canvas, paint: str) -> None:
    for x in (23, 77):
        c.ring(x, 68, 22, INK, 5)
    c.line([(23, 68), (36, 34), (70, 34), (50, 68), (23, 68)], paint, 8)
    c.line([(50, 68), (33, 26)], paint, 8)
    c.line([(77, 68), (66, 18), (82, 14)], paint, 8)
    c.box(22, 18, 44, 26, INK)


def _umbrella(c: Canvas, paint: str) -> None:
    c.dome(50, 54, 46, paint)
    for x in (19.5, 50, 80.5):
        c.dome(x, 55, 15, (0, 0, 0, 0))
    c.line([(50, 48), (50, 88), (56, 94), (63, 88)], INK, 5)
    c.line([(50, 2), (50, 10)], INK, 4)


def _kite(c: Canvas, paint: str) -> None:
    c.poly([(58, 2), (92, 34), (48, 72), (24, 24)], paint)
    c.line([(58, 2), (48, 72)], INK, 3)
    c.line([(24, 24), (92, 34)], INK, 3)
    c.line([(48, 72), (40, 82), (28, 80), (20, 90), (8, 94)], INK, 4)
    for x, y in ((34, 81), (16, 92)):
        c.poly([(x - 7, y - 6), (x + 7, y + 6), (x + 7, y - 6), (x - 7, y + 6)], paint)


def _chair(c: Canvas, paint: str) -> None:
    c.box(22, 4, 34, 96, paint)
    c.box(22, 50, 80, 62, paint)
    c.box(69, 56, 80, 96, paint)
    c.box(34, 12, 70, 20, paint)
    c.box(34, 28, 70, 36, paint)
    c.box(60, 4, 70, 54, paint)


def _robot(c: Canvas, paint: str) -> None:
    c.line([(50, 4), (50, 14)], INK, 4)
    c.disc(50, 5, 5, paint)
    c.box(28, 13, 72, 42, paint)
    for x in (40, 60):
        c.disc(x, 27, 6, INK)
    c.box(22, 47, 78, 78, paint)
    c.box(38, 54, 62, 64, INK)
    c.box(6, 48, 17, 72, paint)
    c.box(83, 48, 94, 72, paint)
    c.box(30, 82, 44, 97, paint)
    c.box(56, 82, 70, 97, paint)


_OBJECTS: dict[str, Callable[[Canvas, str], None]] = {
    "boat": _boat,
    "truck": _truck,
    "tent": _tent,
    "balloon": _balloon,
    "drone": _drone,
    "bicycle": _bicycle,
    "umbrella": _umbrella,
    "kite": _kite,
    "chair": _chair,
    "robot": _robot,
}
