"""The drawing: nothing lies over anything else, it is XML whatever the words are, and equal graphs give equal bytes."""

from __future__ import annotations

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.lineage.picture.formats import HUES, svg
from tasks.lineage.picture.graph import MARKS, Edge, Graph, Line, Mark, Node
from tasks.lineage.picture.layout import Layout, place
from tasks.lineage.picture.text import Box, shortened, width, wrapped
from tests.lineage.picture.graphs import HOSTILE, hostile, of_chance

SVG = "{http://www.w3.org/2000/svg}"
Point = tuple[float, float]


def points(path: str) -> list[Point]:
    """A path's corners and enough of its curves, by following its commands."""
    found: list[Point] = []
    x = y = 0.0
    for command, numbers in re.findall(r"([MHVqC])([^MHVqC]*)", path):
        values = [float(one) for one in numbers.split()]
        if command == "M":
            x, y = values
        elif command == "H":
            x = values[0]
        elif command == "V":
            y = values[0]
        elif command == "q":
            x, y = x + values[2], y + values[3]
        else:
            start, (ax, ay, bx, by, ex, ey) = (x, y), values
            for step in range(1, 20):
                t = step / 20
                found.append(
                    tuple(  # type: ignore[arg-type]
                        (1 - t) ** 3 * p + 3 * (1 - t) ** 2 * t * a + 3 * (1 - t) * t**2 * b + t**3 * e
                        for p, a, b, e in ((start[0], ax, bx, ex), (start[1], ay, by, ey))
                    )
                )
            x, y = ex, ey
        found.append((x, y))
    return found


def crosses(box: Box, one: Point, other: Point) -> bool:
    """Whether a stretch of a line lies inside a box, its frame left out."""
    steps = max(2, int(max(abs(one[0] - other[0]), abs(one[1] - other[1])) / 4))
    for step in range(steps + 1):
        x = one[0] + (other[0] - one[0]) * step / steps
        y = one[1] + (other[1] - one[1]) * step / steps
        if box.x + 1 < x < box.x + box.width - 1 and box.y + 1 < y < box.y + box.height - 1:
            return True
    return False


def touches(box: Box, point: Point) -> bool:
    """Whether a point is on a box's frame."""
    x, y = point
    level, upright = box.x <= x <= box.x + box.width, box.y <= y <= box.y + box.height
    sides = (x - box.x, x - box.x - box.width) if upright else ()
    ends = (y - box.y, y - box.y - box.height) if level else ()
    return any(abs(distance) < 0.11 for distance in (*sides, *ends))


def assert_clear(layout: Layout) -> None:
    for one, other in combinations(layout.boxes, 2):
        apart = one.x + one.width <= other.x or other.x + other.width <= one.x
        assert apart or one.y + one.height <= other.y or other.y + other.height <= one.y, "boxes overlap"
    for box in layout.boxes:
        assert box.x >= 0 and box.x + box.width <= layout.width
        assert box.y >= 0 and box.y + box.height <= layout.height
        baselines = [line.y for line in box.lines]
        assert baselines == sorted(baselines) and all(0 < y < box.height for y in baselines)
    at = {box.node.key: box for box in layout.boxes}
    for route in layout.routes:
        corners = points(route.path)
        assert touches(at[route.edge.maker], corners[0]) and touches(at[route.edge.reader], route.tip)
        for one, other in pairwise(corners):
            assert not any(crosses(box, one, other) for box in layout.boxes), f"{route.edge} runs through a box"
        assert all(0 <= x <= layout.width and 0 <= y <= layout.height for x, y in corners)


@pytest.mark.parametrize("seed", range(60))
def test_no_line_runs_through_a_box_and_no_box_lies_on_another(seed: int) -> None:
    graph = of_chance(seed, size=5 + seed % 12)
    layout = place(graph)
    assert_clear(layout)
    assert {box.node.key for box in layout.boxes} == {node.key for node in graph.nodes}
    assert sorted(map(id, (route.edge for route in layout.routes))) == sorted(map(id, graph.edges))


@pytest.mark.parametrize("seed", range(60))
def test_lines_of_two_makers_never_run_along_one_another(seed: int) -> None:
    """They may cross at a right angle; on a common stretch nobody could tell them apart."""
    layout = place(of_chance(seed, size=5 + seed % 12))
    upright: dict[float, list[tuple[float, float, str]]] = {}
    level: dict[float, list[tuple[float, float, str]]] = {}
    for route in layout.routes:
        if "C" in route.path:
            continue
        corners = points(route.path)
        for (ax, ay), (bx, by) in pairwise(corners):
            if ax == bx:
                upright.setdefault(ax, []).append((min(ay, by), max(ay, by), route.edge.maker))
            elif ay == by:
                level.setdefault(ay, []).append((min(ax, bx), max(ax, bx), route.edge.maker))
    for stretches in (*upright.values(), *level.values()):
        for (a, b, one), (c, d, other) in combinations(stretches, 2):
            assert one == other or b <= c or d <= a, "two makers' lines share a stretch"


@pytest.mark.parametrize("inline", [False, True])
def test_whatever_the_words_it_is_xml_with_nothing_in_it_but_ours(inline: bool) -> None:
    root = ElementTree.fromstring(svg(hostile(), inline=inline).encode())
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "style", "rect", "g", "path", "text", "a"}
    assert not any(name.startswith("on") for element in root.iter() for name in element.attrib)
    words = " ".join(root.itertext())
    assert "<script>alert(1)</script>" in words and "حريق في السوق القديم" in words and "\x07" not in words


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80), st.text(max_size=80))
def test_any_words_make_xml(one: str, other: str) -> None:
    graph = Graph(one, other, (Node("a", "stage", one, (Line(other, most=2),), link=other), Node("b", "item", other)),
                  (Edge("a", "b", (one,)),))  # fmt: skip
    ElementTree.fromstring(svg(graph).encode())


def test_it_stands_by_itself_and_needs_nothing() -> None:
    text = svg(of_chance(1))
    assert text.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg"')
    assert "prefers-color-scheme: dark" in text
    assert not re.search(r"url\(|@import|href=|https?://(?!www\.w3\.org/2000/svg)", text)
    inline = svg(of_chance(1), inline=True)
    assert inline.startswith("<svg class=") and "http" not in inline


def test_it_is_told_in_words() -> None:
    graph = Graph(
        "Lineage", "About it.",
        (Node("a", "stage", "mine", mark="stale"), Node("b", "stage", "train")),
        (Edge("a", "b", ("negatives.jsonl",), broken=True),),
    )  # fmt: skip
    root = ElementTree.fromstring(svg(graph).encode())
    named = str(root.get("aria-labelledby")).split()
    by_id = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert by_id[named[0]] == "Lineage"
    assert by_id[named[1]] == "About it. train reads negatives.jsonl of mine (broken). mine is marked: stale."
    assert "DVC would run this stage again" in "".join(root.itertext()), "what a mark means"
    assert "its manifest is not to be had" not in "".join(root.itertext()), "no mark that is not there"


def test_every_hue_and_mark_has_its_colour_on_light_and_on_dark_paper() -> None:
    rules = re.findall(r"([^{}]+) \{ ([^{}]+) \}", svg(of_chance(1)).partition("</style>")[0])
    wanted = [(f".lineage .hue-{number}", "color:") for number in range(HUES)]
    wanted += [(f".lineage .is-{mark} .box", "stroke:") for mark in MARKS]
    for selector, what in wanted:
        found = [rule for selectors, rule in rules if selector in map(str.strip, selectors.split(",")) and what in rule]
        assert len(found) == len(set(found)) == 2, selector


def test_equal_graphs_give_equal_bytes() -> None:
    assert svg(of_chance(3)) == svg(of_chance(3))
    assert svg(of_chance(3)) != svg(of_chance(4))


@pytest.mark.parametrize("text", [*HOSTILE, "a b c " * 40])
@pytest.mark.parametrize("most", [40.0, 120.0, 300.0])
def test_cut_words_fit(text: str, most: float) -> None:
    cut = shortened(text, most, "words")
    assert width(cut, "words") <= most or cut == "…"
    lines = wrapped(" ".join(text.split()), most, "words", 3)
    assert len(lines) <= 3 and all(width(line, "words") <= most for line in lines)


@pytest.mark.parametrize("mark", ["stale", "follows", "broken", "missing"])
def test_a_mark_is_a_word_on_its_box(mark: Mark) -> None:
    graph = Graph("g", "", (Node("a", "stage", "a very long title " * 9, mark=mark, why=("because",)),), ())
    text = svg(graph)
    assert f'class="node stage hue-0 is-{mark}"' in text and 'class="chip"' in text and "because" in text
