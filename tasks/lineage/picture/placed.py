"""Boxes, lines and words of a lineage's picture with their places, and how large a box its words need."""

from __future__ import annotations

from dataclasses import dataclass

from tasks.lineage.picture.graph import MARKS, Edge, Line, Mark, Node
from tasks.lineage.picture.text import clean, shortened, width, wrapped

MAIN, SIDE = 348, 262  # widths of the boxes in the two columns, pixels
PAD = 14
TITLE, TEXT, DIGEST, FIGURE, LABEL, CHIP = 15, 12, 11.5, 38, 11, 10.5  # sizes of type
LINE_HEIGHT = 17
BETWEEN = 40  # rows
STACKED = 12  # boxes beside one reader
PORT = 22  # lines entering one side of a box
LANE = 15
LONGEST_LABEL = 300
MARGIN = 16
ROUND = 7
ARROW = 8


@dataclass(frozen=True)
class Written:
    """A line of text: its left end and baseline."""

    x: float
    y: float
    text: str
    style: str


@dataclass(frozen=True)
class Chip:
    """A mark on a box."""

    x: float
    y: float
    width: float
    text: str


def chip_at(right: float, y: float, mark: Mark) -> Chip:
    """A mark's chip with its upper right corner there."""
    across = width(MARKS[mark], CHIP, bold=True) + 14
    return Chip(right - across, y, across, MARKS[mark])


@dataclass(frozen=True)
class Box:
    """A placed node. `hue` tells it and the lines that leave it from the others."""

    node: Node
    hue: int
    x: float
    y: float
    width: float
    height: float
    lines: tuple[Written, ...]
    chip: Chip | None


@dataclass(frozen=True)
class Route:
    """A placed edge: an SVG path without its arrow head, the head's tip and direction (right, left, down), the label.

    Attributes:
        anchor: which end of the label is at its place: `start` or `end`.
    """

    edge: Edge
    hue: int
    path: str
    tip: tuple[float, float]
    way: str
    label: Written
    anchor: str


@dataclass(frozen=True)
class Layout:
    """The picture: boxes, lines, and its size in pixels."""

    boxes: tuple[Box, ...]
    routes: tuple[Route, ...]
    width: float
    height: float


@dataclass(frozen=True)
class Content:
    """A node's text before it has its place: line, distance of its baseline from the top; and the height of all."""

    lines: tuple[tuple[str, str, float], ...]
    height: float


def label_of(edge: Edge) -> str:
    """What is written at a line, cut to what there is room for."""
    text = f"{edge.label}: broken" if edge.broken else edge.label
    return shortened(clean(text), LONGEST_LABEL, LABEL)


def label_width(edge: Edge) -> float:
    """How wide that is."""
    return width(label_of(edge), LABEL)


def content_of(node: Node, wide: float) -> Content:
    """A node's lines, wrapped and cut to the box."""
    inner = wide - 2 * PAD - 3
    chip = width(MARKS[node.mark], CHIP, bold=True) + 24 if node.mark else 0
    y = PAD + TITLE - 2.0
    found = [(shortened(clean(node.title), inner - chip, TITLE, bold=True), "title", y)]
    for line in (*node.lines, *(Line(text, most=2) for text in node.why)):
        style = "why" if line.text in node.why else line.style
        if line.style == "figure":
            y += FIGURE + 2
            found.append((shortened(clean(line.text), inner, FIGURE, bold=True), "figure", y))
            y += 6
        elif line.style == "digest":
            y += LINE_HEIGHT + (3 if len(found) == 1 else 0)
            found.append((shortened(clean(line.text), inner, DIGEST, mono=True), "digest", y))
        else:
            for text in wrapped(clean(line.text), inner, TEXT, line.most):
                y += LINE_HEIGHT + (3 if len(found) == 1 else 0)
                found.append((text, style, y))
    return Content(tuple(found), y + PAD - 3)
