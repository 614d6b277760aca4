"""The drawable objects, ten in six colours, and the landmarks, six in stone.

Every icon fills its own square of 100 x 100 units and differs from the others in its silhouette.
"""

from __future__ import annotations

from functools import lru_cache

from PIL import Image, ImageFilter

from tasks.synthetic.canvas import Canvas, Paint

INK = "#15171c"
PAINTS = {
    "red": "#e5241f", "yellow": "#ffd90f", "green": "#18a53a", "blue": "#1657e0", "purple": "#9b2fc4",
    "white": "#fbfbfb",
}  # fmt: skip
FIXED: dict[str, Paint] = {
    "ink": INK, "glass": "#cfe6f2", "wood": "#7a4a1e", "clear": (0, 0, 0, 0), "stone": "#b9a78f", "shade": "#8a7862",
}  # fmt: skip

# Icon, shape, paint, sizes of the shape where it has any, and points: the corners of a polygon, those of a line, a line
# from the first point to each other (rays), two opposite corners for each box, or the centre of each disc, ring or dome
# (sizes: radius, then how flat a disc is or how wide a ring). An icon's later shapes cover its earlier ones.
_ICONS = """
boat     poly paint 4,62 96,62 80,92 20,92
         box ink 47,8 52,62
         poly paint 55,10 88,54 55,54
         poly glass 44,20 18,54 44,54
truck    box paint 4,24 62,74
         poly paint 66,40 84,40 96,58 96,74 66,74
         poly glass 71,45 82,45 90,58 71,58
         disc ink 11 22,78 48,78 80,78
         disc glass 4 22,78 48,78 80,78
tent     poly paint 50,12 98,90 2,90
         poly ink 50,36 68,90 32,90
         line ink 4 50,14 50,2
balloon  disc paint 34 50,36
         poly paint 20,52 80,52 60,76 40,76
         line ink 3 41,74 43,84
         line ink 3 59,74 57,84
         box wood 39,82 61,97
drone    rays paint 7 50,52 18,34 82,34
         box ink 16,26 20,36 80,26 84,36
         disc paint 18,0.28 18,25 82,25
         disc paint 20,0.75 50,54
         disc ink 8 50,58
         line ink 4 34,64 26,84 42,84
         line ink 4 66,64 74,84 58,84
bicycle  ring ink 22,5 23,68 77,68
         line paint 8 23,68 36,34 70,34 50,68 23,68
         line paint 8 50,68 33,26
         line paint 8 77,68 66,18 82,14
         box ink 22,18 44,26
umbrella dome paint 46 50,54
         dome clear 15 19.5,55 50,55 80.5,55
         line ink 5 50,48 50,88 56,94 63,88
         line ink 4 50,2 50,10
kite     poly paint 58,2 92,34 48,72 24,24
         line ink 3 58,2 48,72
         line ink 3 24,24 92,34
         line ink 4 48,72 40,82 28,80 20,90 8,94
         poly paint 27,75 41,87 41,75 27,87
         poly paint 9,86 23,98 23,86 9,98
chair    box paint 22,4 34,96 22,50 80,62 69,56 80,96 34,12 70,20 34,28 70,36 60,4 70,54
robot    line ink 4 50,4 50,14
         disc paint 5 50,5
         box paint 28,13 72,42
         disc ink 6 40,27 60,27
         box paint 22,47 78,78
         box ink 38,54 62,64
         box paint 6,48 17,72 83,48 94,72 30,82 44,97 56,82 70,97
tower    box stone 34,26 66,97
         poly shade 26,26 74,26 50,2
         box ink 45,36 55,47 45,56 55,67 43,78 57,97
bridge   box shade 20,12 27,92 74,12 81,92
         box stone 0,62 100,72
         line shade 4 0,48 23,14 50,52 78,14 100,48
         line shade 2 8,42 8,64
         line shade 2 35,42 35,64
         line shade 2 50,52 50,64
         line shade 2 65,42 65,64
         line shade 2 92,42 92,64
mosque   box stone 20,56 80,96
         dome shade 27 50,58
         line shade 4 50,18 50,32
         box stone 4,26 14,96 86,26 96,96
         poly shade 2,27 16,27 9,6
         poly shade 84,27 98,27 91,6
         dome ink 11 50,80
         box ink 39,79 61,96
pyramid  poly stone 46,14 98,94 2,94
         poly shade 46,14 98,94 66,94
         line shade 2 31.7,40 52.5,40
         line shade 2 17.4,66 59,66
windmill poly stone 38,40 62,40 72,97 28,97
         dome shade 14 50,42
         rays shade 9 50,40 14,4 88,10 84,80 10,74
         disc ink 6 50,40
         box ink 44,80 56,97
wheel    rays stone 6 50,44 26,97 74,97
         ring shade 38,6 50,44
         rays shade 2 50,44 50,6 77,17 88,44 77,71 50,82 23,71 12,44 23,17
         disc stone 7 50,6 77,17 88,44 77,71 50,82 23,71 12,44 23,17
         disc ink 6 50,44
"""


def _shapes(table: str) -> dict[str, list[list[str]]]:
    """Shapes as lists of words, by icon: a line without an icon's name is of the icon above."""
    shapes: dict[str, list[list[str]]] = {}
    name = ""
    for line in table.strip("\n").splitlines():
        name = line[:9].strip() or name
        shapes.setdefault(name, []).append(line[9:].split())
    return shapes


_SHAPES = _shapes(_ICONS)


@lru_cache(maxsize=640)
def sprite(name: str, width: int, height: int, colour: str = "white") -> Image.Image:
    """An object in its colour, or a landmark, with a dark outline, RGBA."""
    canvas = Canvas(width, height)
    for shape in _SHAPES[name]:
        _draw(canvas, shape, FIXED | {"paint": PAINTS[colour]})
    picture = canvas.picture()
    reach = 2 * max(1, round(width / 60)) + 1
    edge = Image.new("RGBA", picture.size, INK)
    edge.putalpha(picture.getchannel("A").filter(ImageFilter.MaxFilter(reach)))
    edge.alpha_composite(picture)
    return edge


def _draw(canvas: Canvas, shape: list[str], paints: dict[str, Paint]) -> None:
    kind, paint = shape[0], paints[shape[1]]
    numbers = [[float(number) for number in word.split(",")] for word in shape[2:]]
    sizes = [] if kind in ("poly", "box") else numbers.pop(0)
    points = [(x, y) for x, y in numbers]
    if kind == "poly":
        canvas.poly(points, paint)
    elif kind == "line":
        canvas.line(points, paint, *sizes)
    elif kind == "rays":
        for end in points[1:]:
            canvas.line([points[0], end], paint, *sizes)
    elif kind == "box":
        for first, last in zip(points[::2], points[1::2], strict=True):
            canvas.box(*first, *last, paint)
    else:
        radius, *more = sizes
        for x, y in points:
            getattr(canvas, kind)(x, y, radius, paint, *more)
