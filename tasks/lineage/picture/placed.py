"""Boxes, lines and words of a lineage's picture with their places, and how large a box its words need."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.lineage.picture.graph import MARKS, Edge, Line, Node
from tasks.lineage.picture.text import clean, shortened, width, wrapped

MAIN, SIDE = 348, 262  # widths of the boxes in the two columns, pixels
PAD = 14
LINE = 17  # from one line of words to the next
LONGEST_LABEL = 300
MARGIN = 16


@dataclass(frozen=True)
class Text:
    """A line of text: the place of its baseline at its start, or at its end where `anchor` says so."""

    x: float
    y: float
    text: str
    style: str
    anchor: str = "start"


@dataclass(frozen=True)
class Box:
    """A node with its words, whose places are relative to the box's corner, and where it is.

    Attributes:
        hue: tells it and the lines that leave it from the others; -1 of what comes from outside.
    """

    node: Node
    lines: tuple[Text, ...]
    width: float
    height: float
    x: float = 0
    y: float = 0
    hue: int = -1


@dataclass(frozen=True)
class Route:
    """A placed edge: an SVG path without its arrow head, the head's tip and way (right, left, down), and the label."""

    edge: Edge
    hue: int
    path: str
    tip: tuple[float, float]
    way: str
    label: Text


@dataclass(frozen=True)
class Layout:
    """The picture: boxes, lines, and its size in pixels."""

    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


def box_of(node: Node, wide: float) -> Box:
    """A node's box, as high as its words need when they are wrapped and cut to it."""
    inner = wide - 2 * PAD - 3
    chip = width(MARKS[node.mark][0], "chip") + 24 if node.mark else 0
    y = PAD + 13.0
    found = [Text(PAD + 3, y, shortened(clean(node.title), inner - chip, "title"), "title")]
    for line in (*node.lines, *(Line(text, "why", 2) for text in node.why)):
        for text in wrapped(clean(line.text), inner, line.style, line.most):
            y += 40 if line.style == "figure" else LINE + 3 * (len(found) == 1)
            found.append(Text(PAD + 3, y, text, line.style))
        y += 6 * (line.style == "figure")
    return Box(node, tuple(found), wide, y + PAD - 3)


def label_of(edge: Edge) -> str:
    """What is written at a line, cut to what there is room for."""
    return shortened(clean(edge.label), LONGEST_LABEL, "label")
