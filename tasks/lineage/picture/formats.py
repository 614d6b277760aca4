"""A lineage in DOT (Graphviz), as a Mermaid flowchart, which GitHub and many editors draw, and as SVG, drawn here."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.lineage.picture.graph import MARKS, Graph, Mark, Node
from tasks.lineage.picture.layout import MARGIN, number, place
from tasks.lineage.picture.text import LINE, Box, clean, width, wrapped

if TYPE_CHECKING:
    from jinja2 import Template

HERE = Path(__file__).parent
HUES = 8  # of picture.css
HEADING = 34
MEANING = 170  # from the left edge of the legend to its words
LOOKS: dict[Mark, tuple[str, str]] = {  # colour, and how Mermaid draws the frame
    "stale": ("#c07000", "3px"),
    "follows": ("#c07000", "2px,stroke-dasharray:6 4"),
    "broken": ("#c0281c", "3px"),
    "missing": ("#808080", "2px,stroke-dasharray:6 4"),
}
# What is no letter, digit or harmless sign, and a dot or dash that is not inside a word: Mermaid reads markup in some
# of them (quotes, backticks, brackets, lists, directives), so each is written as its code
SPECIAL = re.compile(r"[^\w ,/=.-]|_|(?<!\w)[.-]|[.-](?!\w)")
# What Mermaid takes for a new line and for a formula after it has read the codes: a word joiner, unseen, parts them
READ_LATE = re.compile(r"(?<=\\)(?=n)|(?<=\$)(?=\$)")


def dot(graph: Graph) -> str:
    """The graph in DOT."""
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = [
        "digraph lineage {",
        f"  graph [label={quoted(graph.title)}, labelloc=t, tooltip={quoted(graph.about)}, charset=utf8, rankdir=TB]",
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]',
        '  edge [fontname="sans-serif", fontsize=9]',
    ]
    for node in graph.nodes:
        label = "".join(_dot_text(row) + r"\l" for row in _rows(node))  # set to the left
        look = f', color="{LOOKS[node.mark][0]}", penwidth=2' if node.mark else ""
        look += ', style="rounded,dashed"' if node.kind == "source" else ""
        lines.append(f'  {names[node.key]} [label="{label}"{look}]')
    for edge in graph.edges:
        look = f', color="{LOOKS["broken"][0]}", style=dashed' if edge.broken else ""
        lines.append(f"  {names[edge.maker]} -> {names[edge.reader]} [label={quoted(edge.label)}{look}]")
    return "\n".join([*lines, "}", ""])


def mermaid(graph: Graph) -> str:
    """The graph as a flowchart."""
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD", f"  accTitle: {escaped(graph.title)}", f"  accDescr: {escaped(graph.about)}"]
    for node in graph.nodes:
        start, end = ('(["', '"])') if node.kind in ("source", "score") else ('["', '"]')
        mark = f":::{node.mark}" if node.mark else ""
        lines.append(f"  {names[node.key]}{start}{'<br/>'.join(map(escaped, _rows(node)))}{end}{mark}")
    for edge in graph.edges:
        label = f'|"{escaped(edge.label)}"|' if edge.label else ""
        lines.append(f"  {names[edge.maker]} {'-.->' if edge.broken else '-->'}{label} {names[edge.reader]}")
    used = {node.mark for node in graph.nodes}
    lines += [
        f"  classDef {mark} stroke:{LOOKS[mark][0]},stroke-width:{LOOKS[mark][1]}" for mark in LOOKS if mark in used
    ]
    return "\n".join(lines) + "\n"


def _rows(node: Node) -> list[str]:
    marked = [f"({MARKS[node.mark][0]})"] if node.mark else []
    return [node.title, *marked, *(line.text for line in node.lines), *node.why]


def quoted(text: str) -> str:
    """A quoted string of DOT."""
    return f'"{_dot_text(text)}"'


def _dot_text(text: str) -> str:
    """Text in which Graphviz finds no escape (`\\N`, `\\l`), no quote and no character entity."""
    return clean(text).replace("\\", r"\\").replace('"', r"\"").replace("&", "&amp;")


def escaped(text: str) -> str:
    """Text in which Mermaid finds no syntax."""
    return SPECIAL.sub(lambda found: f"#{ord(found[0])};", READ_LATE.sub("\N{WORD JOINER}", clean(text)))


def svg(graph: Graph, *, inline: bool = False) -> str:
    """A picture with its title above and what its marks mean below; `inline` is for a page that says itself what it is.

    Nothing of a dataset reaches it unescaped: the template escapes all but the style.
    """
    layout = place(graph)
    wide = max(layout.width, 560.0)
    about = wrapped(clean(graph.about), wide - 2 * MARGIN, "meaning", 6) if graph.about else []
    top = 0 if inline else HEADING + 20 + LINE * len(about)
    high, legend = top + layout.height, list[tuple[Mark, float, list[str]]]()
    for mark, (_, meaning) in MARKS.items():
        if any(node.mark == mark for node in graph.nodes):
            lines = wrapped(clean(meaning), wide - MEANING - 2 * MARGIN, "meaning", 4)
            legend.append((mark, high + 6, lines))
            high += LINE * len(lines) + 8
    return _template().render(
        graph=graph, inline=inline, layout=layout, marks=MARKS, about=about, legend=legend, in_words=in_words(graph),
        linked=any(node.link for node in graph.nodes), wide=round(wide), high=round(high + MARGIN * bool(legend)),
        top=top, heading=HEADING, margin=MARGIN, meaning=MEANING, line_height=LINE,
    )  # fmt: skip


@cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, finalize=_written,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    filters: dict[str, Callable[[Any], Any]] = {
        "chip_width": lambda mark: width(MARKS[mark][0], "chip") + 14,
        "hue": lambda hue: f"hue-{hue % HUES}" if hue >= 0 else "outside",
        "uncut": _uncut,
    }
    environment.filters |= filters
    environment.globals["style"] = Markup((HERE / "picture.css").read_text(encoding="utf-8"))  # noqa: S704 - our own
    return environment.get_template("picture.svg")


def _written(value: Any) -> Any:
    """A number to a tenth of a pixel, and text without what no XML may hold."""
    from markupsafe import Markup

    if isinstance(value, float):
        return number(value)
    return clean(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _uncut(box: Box) -> str:
    """All that a box says, with digests in full."""
    facts = [f"{name} {value}" for name, value in box.node.facts.items() if isinstance(value, str)]
    return "; ".join([box.node.title, *(line.text for line in box.node.lines), *box.node.why, *facts])


def in_words(graph: Graph) -> str:
    """The graph for who does not see it."""
    titles = {node.key: node.title for node in graph.nodes}
    read: dict[str, list[str]] = {}
    for edge in graph.edges:
        what = f"{', '.join(edge.artifacts)} of " if edge.artifacts else ""
        read.setdefault(edge.reader, []).append(f"{what}{titles[edge.maker]}{' (broken)' if edge.broken else ''}")
    sentences = [f"{titles[key]} reads {', '.join(makers)}." for key, makers in read.items()]
    sentences += [f"{node.title} is marked: {MARKS[node.mark][0]}." for node in graph.nodes if node.mark]
    return " ".join([graph.about, *sentences])
