"""A lineage in DOT, the language of Graphviz."""

from __future__ import annotations

from tasks.lineage.picture.graph import MARKS, Graph, Mark, Node
from tasks.lineage.picture.text import clean

COLOURS: dict[Mark, str] = {"stale": "#c07000", "follows": "#c07000", "broken": "#c0281c", "missing": "#808080"}


def dot(graph: Graph) -> str:
    """The text of the graph."""
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = [
        "digraph lineage {",
        f"  graph [label={quoted(graph.title)}, labelloc=t, tooltip={quoted(graph.about)}, charset=utf8, rankdir=TB]",
        '  node [shape=box, style=rounded, fontname="sans-serif", fontsize=11]',
        '  edge [fontname="sans-serif", fontsize=9]',
        *(f"  {names[node.key]} [{_node(node)}]" for node in graph.nodes),
    ]
    for edge in graph.edges:
        look = f', color="{COLOURS["broken"]}", style=dashed' if edge.broken else ""
        text = f"{edge.label}: broken" if edge.broken else edge.label
        lines.append(f"  {names[edge.maker]} -> {names[edge.reader]} [label={quoted(text)}{look}]")
    return "\n".join([*lines, "}", ""])


def _node(node: Node) -> str:
    rows = [
        node.title,
        *([f"({MARKS[node.mark]})"] if node.mark else []),
        *(line.text for line in node.lines),
        *node.why,
    ]
    label = "".join(_text(row) + r"\l" for row in rows)  # set to the left
    look = f'label="{label}"'
    if node.mark:
        look += f', color="{COLOURS[node.mark]}", penwidth=2'
    if node.kind == "source":
        look += ', style="rounded,dashed"'
    return look


def quoted(text: str) -> str:
    """A quoted string of DOT."""
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    """Text in which Graphviz finds no escape (`\\N`, `\\l`), no quote and no character entity."""
    return clean(text).replace("\\", r"\\").replace('"', r"\"").replace("&", "&amp;")
