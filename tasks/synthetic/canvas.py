"""Drawing in units of a hundredth of the frame, whatever its size and aspect."""

from __future__ import annotations

from collections.abc import Iterable

from PIL import Image, ImageDraw

Point = tuple[float, float]
Paint = tuple[int, ...] | str

SUPERSAMPLE = 3


class Canvas:
    """A picture drawn at three times its size and reduced at the end, so that edges are smooth.

    Coordinates run from (0, 0) at the upper left to (100, 100) at the lower right.
    """

    def __init__(self, width: int, height: int, fill: Paint | None = None) -> None:
        size = (width * SUPERSAMPLE, height * SUPERSAMPLE)
        self._image = Image.new("RGB", size, fill) if fill else Image.new("RGBA", size)
        self._draw = ImageDraw.Draw(self._image)
        self._x, self._y = size[0] / 100, size[1] / 100

    def poly(self, points: Iterable[Point], paint: Paint) -> None:
        self._draw.polygon([self._at(point) for point in points], fill=paint)

    def box(self, left: float, top: float, right: float, bottom: float, paint: Paint) -> None:
        self._draw.rectangle([self._at((left, top)), self._at((right, bottom))], fill=paint)

    def disc(self, x: float, y: float, radius: float, paint: Paint, squash: float = 1.0) -> None:
        corners = [self._at((x - radius, y - radius * squash)), self._at((x + radius, y + radius * squash))]
        self._draw.ellipse(corners, fill=paint)

    def ring(self, x: float, y: float, radius: float, paint: Paint, width: float = 4) -> None:
        corners = [self._at((x - radius, y - radius)), self._at((x + radius, y + radius))]
        self._draw.ellipse(corners, outline=paint, width=self._thick(width))

    def dome(self, x: float, y: float, radius: float, paint: Paint) -> None:
        """The upper half of a disc."""
        corners = [self._at((x - radius, y - radius)), self._at((x + radius, y + radius))]
        self._draw.pieslice(corners, 180, 360, fill=paint)

    def line(self, points: Iterable[Point], paint: Paint, width: float = 3) -> None:
        self._draw.line([self._at(point) for point in points], fill=paint, width=self._thick(width), joint="curve")

    def picture(self) -> Image.Image:
        """The drawing at its own size."""
        return self._image.reduce(SUPERSAMPLE)

    def _at(self, point: Point) -> Point:
        return point[0] * self._x, point[1] * self._y

    def _thick(self, width: float) -> int:
        return max(1, round(width * (self._x + self._y) / 2))
