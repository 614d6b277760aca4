"""The background of each kind of event: muted colours, with one moving effect.

Effects repeat after `PHASES` steps, so a background is drawn once per step and size, then reused.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

from PIL import Image

from tasks.synthetic.canvas import Canvas
from tasks.synthetic.seeding import rng_for

PHASES = 8


@lru_cache(maxsize=128)
def background(kind: str, width: int, height: int, phase: int) -> Image.Image:
    """The sky, ground and effect of a kind at a step of its motion, RGB. Treat it as read-only."""
    sky, horizon, ground, draw = _KINDS[kind]
    canvas = Canvas(width, height, ground)
    bands = 16
    for band in range(bands):
        shade = [round(a + (b - a) * band / (bands - 1)) for a, b in zip(_rgb(sky), _rgb(horizon), strict=True)]
        canvas.box(0, band * 52 / bands, 100, (band + 1) * 52 / bands, tuple(shade))
    draw(canvas, (phase % PHASES) / PHASES)
    return canvas.picture()


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _scatter(kind: str, count: int) -> list[tuple[float, float, float]]:
    """Fixed positions in 0..100 and a third number in 0..1, the same in every frame."""
    rng = rng_for(0, "scatter", kind)
    return [(100 * float(x), 100 * float(y), float(z)) for x, y, z in rng.random((count, 3))]


def _flood(c: Canvas, t: float) -> None:
    for row, paint in enumerate(("#5d86a0", "#4b7591", "#3f6782", "#355a73", "#2c4e66")):
        top = 44 + 11 * row
        crest = [(x, top + 3 * math.sin(x / 7 + 2 * math.pi * (t + row / 3))) for x in range(-2, 104, 3)]
        c.poly([*crest, (102, 100), (-2, 100)], paint)


def _wildfire(c: Canvas, t: float) -> None:
    for x, _, z in _scatter("wildfire", 9):
        c.disc(x, 10 + 14 * z, 14, "#6b5a52", squash=0.5)
    for step in range(13):
        x = step * 8.4
        tall = 20 + 9 * math.sin(2 * math.pi * t + step * 1.9)
        c.poly([(x - 8, 68), (x + 1, 68 - tall), (x + 8, 68)], "#d8691c")
        c.poly([(x - 4, 68), (x + 1, 68 - tall * 0.55), (x + 4, 68)], "#f0ad45")


def _earthquake(c: Canvas, t: float) -> None:
    sway = math.sin(2 * math.pi * t)
    for x, tall, lean in ((6, 34, -4), (38, 26, 5), (66, 38, -6), (90, 22, 4)):
        c.poly(
            [(x - 8, 56), (x - 8 + lean + sway, 56 - tall), (x + 6 + lean + sway, 60 - tall), (x + 7, 56)], "#a08f7d"
        )
    c.poly([(44, 52), (52, 60), (46, 68), (56, 78), (48, 100), (60, 100), (62, 77), (53, 67), (58, 60)], "#231c17")
    c.poly([(10, 56), (18, 64), (12, 74), (20, 100), (25, 100), (18, 74), (23, 64)], "#231c17")


def _election(c: Canvas, t: float) -> None:
    for stripe in range(10):
        c.box(stripe * 10, 0, stripe * 10 + 5, 12, "#d7dbe2" if stripe % 2 else "#77829a")
    c.box(34, 34, 66, 66, "#5f6c84")
    c.box(42, 37, 58, 40, "#1d222c")
    drop = 10 * abs(math.sin(math.pi * t))
    c.box(44, 16 + drop, 56, 36, "#eceef2")
    c.line([(46, 24 + drop), (49, 29 + drop), (55, 20 + drop)], "#3c4658", 2)


def _protest(c: Canvas, t: float) -> None:
    for step in range(9):
        x = 6 + step * 11.5
        lift = 3 * math.sin(2 * math.pi * t + step * 2.1)
        c.box(x - 0.8, 30 + lift, x + 0.8, 60, "#4d4038")
        c.box(x - 5, 22 + lift, x + 5, 34 + lift, "#dcd3c4" if step % 2 else "#c3b39d")
        c.disc(x, 55, 4, "#463c39")
        c.box(x - 5, 59, x + 5, 70, "#574a46")


def _football(c: Canvas, t: float) -> None:
    for stripe in range(0, 10, 2):
        c.poly([(stripe * 10, 52), (stripe * 10 + 10, 52), (stripe * 14 - 10, 100), (stripe * 14 - 26, 100)], "#5f9463")
    for x, y, z in _scatter("football", 120):
        c.disc(x, y * 0.36, 1.6, ("#7b7f8c", "#9d9186", "#6d6a75")[int(3 * z)])
    c.box(0, 37, 100, 41, "#dfe3e6")
    c.line([(0, 60), (100, 60)], "#eef2ee", 1.5)
    c.ring(50, 72, 15, "#eef2ee", 1.5)
    c.disc(20 + 60 * abs(2 * t - 1), 57, 2.6, "#ffffff")


def _concert(c: Canvas, t: float) -> None:
    for step in range(5):
        x = 10 + step * 20
        swing = 16 * math.sin(2 * math.pi * t + step * 1.3)
        c.poly([(x - 1, 0), (x + 1, 0), (x + swing + 10, 56), (x + swing - 10, 56)], "#57477b")
        c.poly([(x - 0.5, 0), (x + 0.5, 0), (x + swing + 4, 56), (x + swing - 4, 56)], "#8a74b5")
    for step in range(12):
        c.disc(4 + step * 8.5, 63 + 2 * math.sin(2 * math.pi * t + step), 4.5, "#14101d")


def _storm(c: Canvas, t: float) -> None:
    for x, y, z in _scatter("storm", 12):
        c.disc(x, y * 0.16, 12 + 5 * z, ("#3a4048", "#4a515b")[int(2 * z)], squash=0.55)
    for x, y, _ in _scatter("rain", 70):
        top = (y + 100 * t) % 100
        c.line([(x, top), (x - 2.5, top + 7)], "#93a1ae", 0.8)
    if t < 0.4:
        c.poly([(56, 12), (46, 32), (53, 32), (44, 54), (64, 27), (56, 27), (63, 12)], "#f4f1c4")


def _parade(c: Canvas, t: float) -> None:
    for step in range(11):
        left = step * 10
        c.poly([(left, 4), (left + 9, 4), (left + 4.5, 15)], ("#d98b8b", "#8fb5d9", "#e0cd8c")[step % 3])
    c.line([(0, 4), (100, 4)], "#6e6a75", 1)
    for x, y, z in _scatter("parade", 60):
        top = (y * 0.66 + 66 * t) % 66
        c.box(x, top, x + 2.2, top + 2.2, ("#d77f9e", "#7fc0b4", "#e2c66f", "#9a93d6")[int(4 * z)])


def _rocket(c: Canvas, t: float) -> None:
    for x, y, z in _scatter("rocket", 45):
        c.disc(x, y * 0.5, 0.5 + 0.5 * z, "#dfe4f2")
    c.disc(84, 12, 8, "#c9cbd6")
    rise = 6 * t
    c.box(46, 12 - rise, 54, 36 - rise, "#d9dde4")
    c.poly([(46, 12 - rise), (50, 2 - rise), (54, 12 - rise)], "#8b93a5")
    c.poly([(46, 28 - rise), (41, 38 - rise), (46, 36 - rise)], "#8b93a5")
    c.poly([(54, 28 - rise), (59, 38 - rise), (54, 36 - rise)], "#8b93a5")
    c.poly([(46, 36 - rise), (54, 36 - rise), (50, 56 - rise)], "#f2b65a")
    for x, _, z in _scatter("plume", 16):
        c.disc(28 + 0.44 * x, 62 - 8 * z, 8, "#9b9fae", squash=0.7)


def _marathon(c: Canvas, t: float) -> None:
    c.poly([(26, 52), (74, 52), (120, 100), (-20, 100)], "#8b8d93")
    for step in range(4):
        y = 54 + 13 * ((step + t * 2) % 4)
        c.poly([(49, y), (51, y), (51.5, y + 6), (48.5, y + 6)], "#f1f1ee")
    for row in range(2):
        for column in range(20):
            c.box(column * 5, 8 + row * 6, column * 5 + 5, 14 + row * 6, "#2b2d33" if (row + column) % 2 else "#eceae4")
    for step in range(7):
        x, swing = 8 + step * 14, 4 * math.sin(2 * math.pi * t + step)
        c.disc(x, 42, 2.4, "#5b4a43")
        c.line([(x, 44), (x, 51)], "#6f7f93", 3)
        c.line([(x - swing, 58), (x, 51), (x + swing, 58)], "#4a4347", 1.8)


def _snowfall(c: Canvas, t: float) -> None:
    for tree in (12, 34, 68, 90):
        c.poly([(tree - 8, 56), (tree, 28), (tree + 8, 56)], "#6f8a86")
        c.poly([(tree - 3.5, 40), (tree, 28), (tree + 3.5, 40)], "#f4f7fa")
    for x, y, z in _scatter("snowfall", 80):
        c.disc((x + 4 * math.sin(2 * math.pi * t + 9 * z)) % 100, (y + 100 * t) % 100, 1.3 + 1.2 * z, "#ffffff")


_Draw = Callable[[Canvas, float], None]
_KINDS: dict[str, tuple[str, str, str, _Draw]] = {
    "flood": ("#8fa3b3", "#c3cfd6", "#4b7591", _flood),
    "wildfire": ("#4a3631", "#b8683a", "#4b3124", _wildfire),
    "earthquake": ("#c9bba4", "#d9cfbd", "#8c7761", _earthquake),
    "election": ("#b9c1cf", "#ccd2dc", "#8f97a8", _election),
    "protest": ("#b5a99a", "#cfc4b4", "#7c7067", _protest),
    "football": ("#8f97a0", "#a9aeb4", "#4f8255", _football),
    "concert": ("#241d38", "#342a52", "#1c1729", _concert),
    "storm": ("#4d545e", "#7b8591", "#4c5450", _storm),
    "parade": ("#bcd3dd", "#dbe4e2", "#a9a39c", _parade),
    "rocket": ("#1b2340", "#46507a", "#555b6b", _rocket),
    "marathon": ("#a9c4d6", "#cbd9de", "#84977c", _marathon),
    "snowfall": ("#a3b2c2", "#c7d2dc", "#dde4ea", _snowfall),
}
