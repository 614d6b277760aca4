"""A lineage in DOT, the language of Graphviz, and as a Mermaid flowchart, which GitHub and many editors draw."""

from __future__ import annotations

import re

from tasks.lineage.picture.graph import MARKS, Graph, Mark, Node
from tasks.lineage.picture.text import clean

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
