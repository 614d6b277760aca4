"""A lineage as a Mermaid flowchart, which GitHub, GitLab and many editors draw."""

from __future__ import annotations

import re

from tasks.lineage.picture.graph import MARKS, Graph, Node
from tasks.lineage.picture.text import clean

# What is no letter, digit or harmless sign, and a dot or dash that is not inside a word: Mermaid reads markup in some
# of them (quotes, backticks, brackets, lists, directives), so each is written as its code
SPECIAL = re.compile(r"[^\w ,/=.-]|_|(?<!\w)[.-]|[.-](?!\w)")
# What Mermaid takes for a new line and for a formula after it has read the codes: a word joiner, unseen, parts them
READ_LATE = re.compile(r"(?<=\\)(?=n)|(?<=\$)(?=\$)")
SHAPES = {"source": ('(["', '"])'), "stage": ('["', '"]'), "item": ('["', '"]'), "score": ('(["', '"])')}
CLASSES = {
    "stale": "stroke:#c07000,stroke-width:3px",
    "follows": "stroke:#c07000,stroke-width:2px,stroke-dasharray:6 4",
    "broken": "stroke:#c0281c,stroke-width:3px",
    "missing": "stroke:#808080,stroke-width:2px,stroke-dasharray:6 4",
}


def mermaid(graph: Graph) -> str:
    """The text of the flowchart."""
    names = {node.key: f"n{number}" for number, node in enumerate(graph.nodes)}
    lines = ["flowchart TD", f"  accTitle: {escaped(graph.title)}", f"  accDescr: {escaped(graph.about)}"]
    for node in graph.nodes:
        start, end = SHAPES[node.kind]
        mark = f":::{node.mark}" if node.mark else ""
        lines.append(f"  {names[node.key]}{start}{'<br/>'.join(map(escaped, _lines(node)))}{end}{mark}")
    for edge in graph.edges:
        arrow = "-.->" if edge.broken else "-->"
        text = f"{edge.label}: broken" if edge.broken else edge.label
        label = f'|"{escaped(text)}"|' if text else ""
        lines.append(f"  {names[edge.maker]} {arrow}{label} {names[edge.reader]}")
    used = [mark for mark in MARKS if any(node.mark == mark for node in graph.nodes)]
    lines += [f"  classDef {mark} {CLASSES[mark]}" for mark in used]
    return "\n".join(lines) + "\n"


def _lines(node: Node) -> list[str]:
    marked = [f"({MARKS[node.mark]})"] if node.mark else []
    return [node.title, *marked, *(line.text for line in node.lines), *node.why]


def escaped(text: str) -> str:
    """Text in which Mermaid finds no syntax."""
    return SPECIAL.sub(lambda found: f"#{ord(found[0])};", READ_LATE.sub("\N{WORD JOINER}", clean(text)))
