"""Where the boxes and lines of a lineage's picture are.

What was made stands in one column, makers above readers. A line to the next box goes straight down; any other leaves
its maker to the right, runs down in a lane of its own and enters its reader from the right, so no line ever crosses a
box. What comes from outside stands in a column to the left, beside its first reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tasks.lineage.picture.graph import Edge, Graph, Node
from tasks.lineage.picture.text import Box, Text, box_of, clean, shortened, width

MAIN, SIDE = 348, 262  # widths of the boxes in the two columns, pixels
MARGIN = 16
LONGEST_LABEL = 300
BETWEEN = 40  # rows
STACKED = 12  # boxes beside one reader
PORT = 22  # lines entering one side of a box
LANE = 15
ROUND = 7
ARROW = 8


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


def place(graph: Graph) -> Layout:
    """Place a graph whose nodes are in order: makers before their readers."""
    placing = _Placing(graph)
    routes = (*placing.down(), *placing.around(), *placing.from_outside())
    below = [route.label.x + width(route.label.text, "label") for route in routes if route.way == "down"]
    right = max([placing.right, *(placing.lane(edge.maker) for edge in placing.skipping), *below])
    bottom = max(box.y + box.height for box in placing.boxes.values())
    return Layout(tuple(placing.boxes.values()), routes, right + MARGIN, bottom + MARGIN)


class _Placing:
    """The steps of `place`, which share what they find out."""

    def __init__(self, graph: Graph) -> None:
        nodes = {node.key: node for node in graph.nodes}
        order = {key: number for number, key in enumerate(nodes)}
        main = [key for key, node in nodes.items() if node.kind != "source"]
        self.row = {key: number for number, key in enumerate(main)}
        edges = sorted(graph.edges, key=lambda edge: (self.row[edge.reader], order[edge.maker]))
        self.outside = [edge for edge in edges if edge.maker not in self.row]
        self.straight = [edge for edge in edges if self.row.get(edge.maker) == self.row[edge.reader] - 1]
        self.skipping = [edge for edge in edges if edge.maker in self.row and edge not in self.straight]
        self.home = {edge.maker: self.row[edge.reader] for edge in reversed(self.outside)}  # a source's first reader
        self.lanes = self._lanes(self.skipping, self.row)
        self.side_lanes = self._lanes([edge for edge in self.outside if not self._level(edge)], self.home)
        bends = 34 + LANE * (max(self.side_lanes.values(), default=-1) + 1)
        self.bend = MARGIN + SIDE + bends
        self.x = self.bend + _widest(self.outside) + ARROW + 12 if self.home else MARGIN
        self.right = self.x + MAIN
        self.first_lane = self.right + _widest(self.skipping) + ARROW + 26
        self.boxes = {box.node.key: box for box in self._boxes(nodes)}

    def _level(self, edge: Edge) -> bool:
        """Whether a source stands beside this reader."""
        return self.home[edge.maker] == self.row[edge.reader]

    def _lanes(self, edges: Sequence[Edge], start: Mapping[str, int]) -> dict[str, int]:
        """A lane for every maker whose lines need one: outside of all shorter ones beside which it runs."""
        spans = {edge.maker: (start[edge.maker], self.row[edge.reader]) for edge in edges}  # to its last reader
        found: dict[str, int] = {}
        for maker, (first, last) in sorted(spans.items(), key=lambda one: (one[1][1] - one[1][0], one[1], one[0])):
            inner = [lane for other, lane in found.items() if spans[other][0] <= last and first <= spans[other][1]]
            found[maker] = max(inner, default=-1) + 1
        return found

    def lane(self, maker: str) -> float:
        """Where a maker's lane to the right is."""
        return self.first_lane + LANE * self.lanes[maker]

    def _entering(self, key: str) -> list[Edge]:
        return sorted((edge for edge in self.skipping if edge.reader == key), key=lambda edge: self.lanes[edge.maker])

    def _boxes(self, nodes: Mapping[str, Node]) -> Iterator[Box]:
        """From the top down."""
        top: float = MARGIN
        for key, row in self.row.items():
            box = box_of(nodes[key], MAIN)
            ports = max(len(self._entering(key)) + (key in self.lanes), sum(e.reader == key for e in self.outside))
            height = max(box.height, PORT * ports + 12)
            beside = [box_of(nodes[name], SIDE) for name in nodes if self.home.get(name) == row]
            stacked = sum(one.height for one in beside) + STACKED * (len(beside) - 1)
            whole = max(height, stacked)
            yield replace(box, height=height, x=self.x, y=top + (whole - height) / 2, hue=row)
            y = top + (whole - stacked) / 2
            for one in beside:
                yield replace(one, x=MARGIN, y=y)
                y += one.height + STACKED
            top += whole + BETWEEN

    def down(self) -> Iterator[Route]:
        """Lines to the next box."""
        for edge in self.straight:
            maker, tip = self.boxes[edge.maker], self.boxes[edge.reader].y
            x = maker.x + MAIN / 2
            label = Text(x + 10, tip - BETWEEN / 2 + 3, label_of(edge), "label")
            path = f"M{number(x)} {number(maker.y + maker.height)}V{number(tip - ARROW + 1)}"
            yield Route(edge, maker.hue, path, (x, tip), "down", label)

    def around(self) -> Iterator[Route]:
        """Lines past some boxes: each enters above where the box's own leave."""
        ports = {key: _ports(self.boxes[key], len(self._entering(key)) + (key in self.lanes)) for key in self.row}
        for key in self.row:
            for edge, end in zip(self._entering(key), ports[key], strict=False):
                start, lane = ports[edge.maker][-1], self.lane(edge.maker)
                path = _turning(self.right, start, lane, end, self.right + ARROW - 1)
                label = Text(self.right + ARROW + 6, end - 4, label_of(edge), "label")
                yield Route(edge, self.row[edge.maker], path, (self.right, end), "left", label)

    def from_outside(self) -> Iterator[Route]:
        """Lines from sources: to the box beside them in a curve, to later ones in lanes."""
        ports: dict[tuple[str, str], float] = {}
        for key in self.row:
            makers = [edge.maker for edge in self.outside if edge.reader == key]
            makers.sort(key=lambda maker: (self.boxes[maker].y, maker))
            ports |= zip(((maker, key) for maker in makers), _ports(self.boxes[key], len(makers)), strict=True)
        late = [ports[edge.maker, edge.reader] for edge in self.outside if not self._level(edge)]
        for edge in self.outside:
            box, end = self.boxes[edge.maker], ports[edge.maker, edge.reader]
            start, tip = box.y + box.height / 2, self.x - ARROW + 1
            while edge.maker in self.side_lanes and any(abs(start - other) < ROUND for other in late):
                start += ROUND  # so that it does not run along a line that another lane sends to the right
            if self._level(edge):
                middle, bend = number((box.x + SIDE + self.bend) / 2), number(self.bend)
                path = f"M{number(box.x + SIDE)} {number(start)}C{middle} {number(start)} {middle} {number(end)} "
                path += f"{bend} {number(end)}H{number(tip)}"
            else:
                lane = MARGIN + SIDE + 16 + LANE * self.side_lanes[edge.maker]
                path = _turning(box.x + SIDE, start, lane, end, tip)
            label = Text(self.x - ARROW - 6, end - 4, label_of(edge), "label", "end")
            yield Route(edge, -1, path, (self.x, end), "right", label)


def label_of(edge: Edge) -> str:
    """What is written at a line, cut to what there is room for."""
    return shortened(clean(edge.label), LONGEST_LABEL, "label")


def _widest(edges: Sequence[Edge]) -> float:
    return max((width(label_of(edge), "label") for edge in edges), default=0)


def _ports(box: Box, count: int) -> list[float]:
    """Where so many lines enter or leave one side of a box, from the top down."""
    first = box.y + (box.height - PORT * (count - 1)) / 2
    return [first + PORT * place for place in range(count)]


def _turning(x: float, start: float, lane: float, end: float, tip: float) -> str:
    """A path to the right into a lane, down, and out of it to where its arrow head begins."""
    turn = ROUND if tip > lane else -ROUND
    return (
        f"M{number(x)} {number(start)}H{number(lane - ROUND)}q{ROUND} 0 {ROUND} {ROUND}"
        f"V{number(end - ROUND)}q0 {ROUND} {turn} {ROUND}H{number(tip)}"
    )


def number(value: float) -> str:
    """A coordinate, to a tenth of a pixel, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
