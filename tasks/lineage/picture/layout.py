"""Where the boxes and lines of a lineage's picture are.

What was made stands in one column, makers above readers. A line to the next box goes straight down; any other leaves
its maker to the right, runs down in a lane of its own and enters its reader from the right, so no line ever crosses a
box. What comes from outside stands in a column to the left, beside its first reader.
"""

from __future__ import annotations

from collections.abc import Sequence

from tasks.lineage.picture.graph import Edge, Graph
from tasks.lineage.picture.placed import (
    ARROW,
    BETWEEN,
    LANE,
    MAIN,
    MARGIN,
    PAD,
    PORT,
    ROUND,
    SIDE,
    STACKED,
    Box,
    Content,
    Layout,
    Route,
    Written,
    chip_at,
    content_of,
    label_of,
    label_width,
)  # fmt: skip


def place(graph: Graph) -> Layout:
    """Place a graph whose nodes are in order: makers before their readers."""
    return _Placing(graph).layout()


class _Placing:
    """The steps of `place`, which share what they find out."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = {node.key: node for node in graph.nodes}
        self.main = [node.key for node in graph.nodes if node.kind != "source"]
        self.row = {key: number for number, key in enumerate(self.main)}
        self.edges = sorted(graph.edges, key=lambda edge: (self.row[edge.reader], list(self.nodes).index(edge.maker)))
        self.beside = self._beside()
        self.straight = [edge for edge in self.edges if self.row.get(edge.maker) == self.row[edge.reader] - 1]
        self.skipping = [edge for edge in self.edges if edge.maker in self.row and edge not in self.straight]
        self.lanes = self._lanes(self.skipping, {key: (row, row) for key, row in self.row.items()})
        late = [edge for edge in self.edges if edge.maker not in self.row and not self._level(edge)]
        firsts = {key: (row, row) for row, keys in self.beside.items() for key in keys}
        self.side_lanes = self._lanes(late, firsts)
        labels = [label_width(edge) for edge in self.edges if edge.maker not in self.row]
        bends = 34 + LANE * (max(self.side_lanes.values(), default=-1) + 1)
        gap = bends + max(labels, default=0) + ARROW + 12
        self.x = MARGIN + (SIDE + gap if self.beside else 0)
        self.bend = MARGIN + SIDE + bends
        self.boxes: dict[str, Box] = {}

    def _beside(self) -> dict[int, list[str]]:
        """By row, the sources whose first reader is there."""
        found: dict[int, list[str]] = {}
        for key in self.nodes:
            readers = [self.row[edge.reader] for edge in self.edges if edge.maker == key]
            if key not in self.row:
                found.setdefault(min(readers), []).append(key)
        return found

    def _level(self, edge: Edge) -> bool:
        """Whether a source stands beside this reader."""
        return edge.maker in self.beside.get(self.row[edge.reader], [])

    def _lanes(self, edges: Sequence[Edge], start: dict[str, tuple[int, int]]) -> dict[str, int]:
        """A lane for every maker whose lines need one: outside of all shorter ones beside which it runs."""
        spans: dict[str, tuple[int, int]] = {}
        for edge in edges:
            first, last = spans.get(edge.maker, start[edge.maker])
            spans[edge.maker] = (first, max(last, self.row[edge.reader]))
        found: dict[str, int] = {}
        for maker, span in sorted(spans.items(), key=lambda one: (one[1][1] - one[1][0], one[1], one[0])):
            inner = [lane for other, lane in found.items() if _overlap(spans[other], span)]
            found[maker] = max(inner, default=-1) + 1
        return found

    def layout(self) -> Layout:
        """Boxes from the top down, then the lines between them."""
        self._boxes()
        right = self.x + MAIN
        self.first_lane = right + max(map(label_width, self.skipping), default=0) + ARROW + 26
        routes = [*self._down(), *self._around(), *self._from_outside()]
        lanes = max(self.lanes.values(), default=-1) + 1
        below = [right - MAIN / 2 + 10 + label_width(edge) for edge in self.straight]
        edge = max([right, self.first_lane + LANE * (lanes - 1) if lanes else right, *below])
        bottom = max(box.y + box.height for box in self.boxes.values())
        return Layout(tuple(self.boxes.values()), tuple(routes), edge + MARGIN, bottom + MARGIN)

    def _boxes(self) -> None:
        top: float = MARGIN
        for row, key in enumerate(self.main):
            entering = sum(edge.reader == key for edge in self.skipping)
            beside = [edge for edge in self.edges if edge.reader == key and edge.maker not in self.row]
            content = content_of(self.nodes[key], MAIN)
            ports = max(entering + (key in self.lanes), len(beside))
            height = max(content.height, PORT * ports + 12)
            stack = [(name, content_of(self.nodes[name], SIDE)) for name in self.beside.get(row, [])]
            stacked = sum(one.height for _, one in stack) + STACKED * (len(stack) - 1)
            whole = max(height, stacked)
            self.boxes[key] = self._box(key, content, self.x, top + (whole - height) / 2, MAIN, height)
            y = top + (whole - stacked) / 2
            for name, one in stack:
                self.boxes[name] = self._box(name, one, MARGIN, y, SIDE, one.height)
                y += one.height + STACKED
            top += whole + BETWEEN

    def _box(self, key: str, content: Content, x: float, y: float, wide: float, height: float) -> Box:
        node = self.nodes[key]
        lines = tuple(Written(x + PAD + 3, y + down, text, style) for text, style, down in content.lines)
        chip = chip_at(x + wide - 10, y + 11, node.mark) if node.mark else None
        return Box(node, self.row.get(key, -1), x, y, wide, height, lines, chip)

    def _down(self) -> list[Route]:
        routes = []
        for edge in self.straight:
            maker, reader = self.boxes[edge.maker], self.boxes[edge.reader]
            x, start, tip = maker.x + MAIN / 2, maker.y + maker.height, reader.y
            label = Written(x + 10, tip - BETWEEN / 2 + 3, label_of(edge), "label")
            path = f"M{_n(x)} {_n(start)}V{_n(tip - ARROW + 1)}"
            routes.append(Route(edge, maker.hue, path, (x, tip), "down", label, "start"))
        return routes

    def _around(self) -> list[Route]:
        routes = []
        for key in self.main:
            entering = sorted((edge for edge in self.skipping if edge.reader == key), key=lambda e: self.lanes[e.maker])
            box = self.boxes[key]
            leaves = key in self.lanes
            top = box.y + (box.height - PORT * (len(entering) + leaves)) / 2 + PORT / 2 + 3
            for number, edge in enumerate(entering):
                maker = self.boxes[edge.maker]
                lane = self.first_lane + LANE * self.lanes[edge.maker]
                start, end, right = _exit(maker, self.skipping), top + PORT * number, box.x + MAIN
                path = (
                    f"M{_n(right)} {_n(start)}H{_n(lane - ROUND)}q{ROUND} 0 {ROUND} {ROUND}"
                    f"V{_n(end - ROUND)}q0 {ROUND} -{ROUND} {ROUND}H{_n(right + ARROW - 1)}"
                )
                label = Written(right + ARROW + 6, end - 4, label_of(edge), "label")
                routes.append(Route(edge, maker.hue, path, (right, end), "left", label, "start"))
        return routes

    def _from_outside(self) -> list[Route]:
        ports: dict[tuple[str, str], float] = {}
        edges = [edge for edge in self.edges if edge.maker not in self.row]
        for key in self.main:
            box = self.boxes[key]
            makers = sorted((e.maker for e in edges if e.reader == key), key=lambda m: (self.boxes[m].y, m))
            top = box.y + box.height / 2 - PORT * (len(makers) - 1) / 2
            ports |= {(maker, key): top + PORT * number for number, maker in enumerate(makers)}
        late = [ports[edge.maker, edge.reader] for edge in edges if not self._level(edge)]
        routes = []
        for edge in edges:
            maker, box, end = self.boxes[edge.maker], self.boxes[edge.reader], ports[edge.maker, edge.reader]
            start = maker.y + maker.height / 2
            while edge.maker in self.side_lanes and any(abs(start - other) < ROUND for other in late):
                start += ROUND  # so that it does not run along a line that another lane sends to the right
            right = f"H{_n(box.x - ARROW + 1)}"
            if self._level(edge):
                path = self._swung(maker.x + SIDE, start, end) + right
            else:
                lane = MARGIN + SIDE + 16 + LANE * self.side_lanes[edge.maker]
                path = (
                    f"M{_n(maker.x + SIDE)} {_n(start)}H{_n(lane - ROUND)}q{ROUND} 0 {ROUND} {ROUND}"
                    f"V{_n(end - ROUND)}q0 {ROUND} {ROUND} {ROUND}{right}"
                )
            label = Written(box.x - ARROW - 6, end - 4, label_of(edge), "label")
            routes.append(Route(edge, -1, path, (box.x, end), "right", label, "end"))
        return routes

    def _swung(self, x: float, start: float, end: float) -> str:
        if abs(start - end) < 0.5:
            return f"M{_n(x)} {_n(end)}"
        middle = (x + self.bend) / 2
        return f"M{_n(x)} {_n(start)}C{_n(middle)} {_n(start)} {_n(middle)} {_n(end)} {_n(self.bend)} {_n(end)}"


def _overlap(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _exit(box: Box, skipping: Sequence[Edge]) -> float:
    """Where lines leave a box to the right: below those that enter."""
    entering = sum(edge.reader == box.node.key for edge in skipping)
    return box.y + (box.height - PORT * (entering + 1)) / 2 + PORT / 2 + 3 + PORT * entering


def _n(value: float) -> str:
    """A coordinate, to a tenth of a pixel, the same on every machine."""
    return f"{value:.1f}".removesuffix(".0")
