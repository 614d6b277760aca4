"""A lineage as SVG, drawn here: no browser, no program of another kind, and equal graphs give equal bytes."""

from __future__ import annotations

from dataclasses import replace

from tasks.lineage.picture.graph import MARKS, Graph
from tasks.lineage.picture.layout import place
from tasks.lineage.picture.placed import MARGIN, TEXT, Box, Chip, Layout, Route, Written, chip_at
from tasks.lineage.picture.style import HUES, sheet
from tasks.lineage.picture.text import attribute, clean, wrapped, xml

HEAD, LINE = 34, 17
MEANING = 170  # from the left edge of the legend to its words


def svg_file(graph: Graph) -> str:
    """A picture that stands by itself, with its title above and its legend below."""
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _svg(graph, "lineage", alone=True)


def svg_inline(graph: Graph, name: str) -> str:
    """A picture for an HTML page, which says itself what it is; `name` is the start of the ids in it."""
    return _svg(graph, name, alone=False)


def _svg(graph: Graph, name: str, *, alone: bool) -> str:
    layout = place(graph)
    wide = max(layout.width, 560.0)
    above, top = _heading(graph, wide) if alone else ("", 0.0)
    below, legend = _legend(graph, wide)
    high = top + layout.height + legend
    space = ' xmlns="http://www.w3.org/2000/svg"' if alone else ""
    role = "group" if any(node.link for node in graph.nodes) else "img"
    parts = [
        f'<svg{space} class="lineage" role="{role}" aria-labelledby="{name}-title {name}-about" '
        f'viewBox="0 0 {wide:.0f} {high:.0f}" width="{wide:.0f}" height="{high:.0f}">',
        f'<title id="{name}-title">{xml(graph.title)}</title>',
        f'<desc id="{name}-about">{xml(_told(graph))}</desc>',
        f"<style>{sheet()}</style>",
        '<rect class="paper" width="100%" height="100%"/>' if alone else "",
        above,
        f'<g transform="translate(0 {top:.0f})">' if top else "<g>",
        *_drawn(layout),
        "</g>",
        f'<g transform="translate(0 {top + layout.height:.0f})">{below}</g>' if below else "",
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _drawn(layout: Layout) -> list[str]:
    """Lines, maker by maker so that those of one join and those of two cross by a bridge; then labels, then boxes."""
    makers = dict.fromkeys(route.edge.maker for route in layout.routes)
    lines = []
    for maker in makers:
        routes = [route for route in layout.routes if route.edge.maker == maker]
        lines += [f'<path class="bridge" d="{route.path}"/>' for route in routes]
        lines += [_route(route) for route in routes]
    labels = [_label(route) for route in layout.routes if route.label.text]
    return [*lines, *labels, *(_box(box) for box in layout.boxes)]


def _route(route: Route) -> str:
    x, y = route.tip
    head = {
        "right": f"M{x:.1f} {y:.1f}l-8 -4v8z",
        "left": f"M{x:.1f} {y:.1f}l8 -4v8z",
        "down": f"M{x:.1f} {y:.1f}l-4 -8h8z",
    }[route.way]
    return (
        f'<g class="{_route_class(route)}" data-edge={attribute(f"{route.edge.maker} {route.edge.reader}")}>'
        f'<path class="route" d="{route.path}"/><path class="arrow" d="{head}"/></g>'
    )


def _route_class(route: Route) -> str:
    return f"edge {_hue(route.hue)}{' is-broken' if route.edge.broken else ''}"


def _label(route: Route) -> str:
    written = route.label
    whole = route.edge.label
    told = f"<title>{xml(whole)}</title>" if written.text != clean(whole) else ""
    return (
        f'<g class="{_route_class(route)}"><text class="label" x="{written.x:.1f}" y="{written.y:.1f}" '
        f'text-anchor="{route.anchor}">{xml(written.text)}{told}</text></g>'
    )


def _box(box: Box) -> str:
    x, y, wide, high = box.x, box.y, box.width, box.height
    mark = f" is-{box.node.mark}" if box.node.mark else ""
    stripe = f"M{x + 7:.1f} {y:.1f}a7 7 0 0 0 -7 7v{high - 14:.1f}a7 7 0 0 0 7 7z"
    inside = "".join(
        (
            f'<rect class="box" x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="7"/>',
            f'<path class="stripe" d="{stripe}"/>' if box.node.kind != "source" else "",
            *(_text(line) for line in box.lines),
            _chip(box.chip) if box.chip else "",
        )
    )
    told = f"<title>{xml(_tip(box))}</title>"
    group = f'<g class="node {box.node.kind} {_hue(box.hue)}{mark}" data-node={attribute(box.node.key)}>'
    if box.node.link:
        return f"<a href={attribute(box.node.link)}>{group}{told}{inside}</g></a>"
    return f"{group}{told}{inside}</g>"


def _tip(box: Box) -> str:
    """All that a box says, uncut, with digests in full."""
    facts = [f"{name} {value}" for name, value in box.node.facts.items() if isinstance(value, str)]
    return "; ".join([box.node.title, *(line.text for line in box.node.lines), *box.node.why, *facts])


def _text(line: Written) -> str:
    return f'<text class="{line.style}" x="{line.x:.1f}" y="{line.y:.1f}">{xml(line.text)}</text>'


def _chip(chip: Chip) -> str:
    return (
        f'<g class="chip"><rect x="{chip.x:.1f}" y="{chip.y:.1f}" width="{chip.width:.1f}" height="17" rx="3"/>'
        f'<text x="{chip.x + chip.width / 2:.1f}" y="{chip.y + 12.3:.1f}" text-anchor="middle">{chip.text}</text></g>'
    )


def _hue(hue: int) -> str:
    return f"hue-{hue % HUES}" if hue >= 0 else "outside"


def _heading(graph: Graph, wide: float) -> tuple[str, float]:
    """Title and sentences above the picture, and how high they are."""
    lines = wrapped(clean(graph.about), wide - 2 * MARGIN, TEXT, 6) if graph.about else []
    drawn = [f'<text class="heading" x="{MARGIN}" y="{HEAD}">{xml(graph.title)}</text>']
    drawn += [
        f'<text class="meaning" x="{MARGIN}" y="{HEAD + 22 + LINE * number}">{xml(line)}</text>'
        for number, line in enumerate(lines)
    ]
    return "\n".join(drawn), HEAD + 20.0 + LINE * len(lines)


def _legend(graph: Graph, wide: float) -> tuple[str, float]:
    """What the marks mean, below the picture, and how high that is."""
    drawn, y = [], 6.0
    for mark, meaning in graph.legend.items():
        lines = wrapped(clean(meaning), wide - MEANING - 2 * MARGIN, TEXT, 4)
        drawn.append(f'<g class="is-{mark}">{_chip(replace(chip_at(0, y, mark), x=MARGIN))}</g>')
        for number, line in enumerate(lines):
            drawn.append(
                f'<text class="meaning" x="{MARGIN + MEANING}" y="{y + 12.5 + LINE * number}">{xml(line)}</text>'
            )
        y += LINE * len(lines) + 8
    return "".join(drawn), y + MARGIN if drawn else 0.0


def _told(graph: Graph) -> str:
    """The graph in words, for who does not see it."""
    titles = {node.key: node.title for node in graph.nodes}
    read: dict[str, list[str]] = {}
    for edge in graph.edges:
        what = f"{edge.label} of " if edge.artifacts else ""
        read.setdefault(edge.reader, []).append(f"{what}{titles[edge.maker]}{' (broken)' if edge.broken else ''}")
    told = [f"{titles[key]} reads {', '.join(makers)}." for key, makers in read.items()]
    told += [f"{node.title} is marked: {MARKS[node.mark]}." for node in graph.nodes if node.mark]
    return " ".join([graph.about, *told])
