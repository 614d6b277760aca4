"""Mermaid and DOT: whatever a label holds, the graph that is read back is the graph that was written."""

from __future__ import annotations

import json
import re
import shutil
import subprocess

import pytest

from tasks.lineage.picture.formats import dot, escaped, mermaid
from tasks.lineage.picture.graph import Edge, Graph, Line, Node
from tasks.lineage.picture.text import clean
from tests.lineage.picture.graphs import HOSTILE, hostile, of_chance

DOT = shutil.which("dot")
NODE = re.compile(r'  n\d+(\["|\(\["|\(")[^"]*("\]|"\]\)|"\))(:::\w+)?')
EDGE = re.compile(r'  n\d+ (-->|-\.->)(\|"[^"|]*"\|)? n\d+')


def graphviz(text: str, form: str) -> str:
    done = subprocess.run([str(DOT), f"-T{form}"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return done.stdout


@pytest.mark.skipif(DOT is None, reason="no graphviz on this machine")
def test_graphviz_reads_back_what_dot_says() -> None:
    graph = hostile()
    read = json.loads(graphviz(dot(graph), "json"))
    assert [one["name"] for one in read["objects"]] == [f"n{number}" for number in range(len(graph.nodes))]
    assert len(read["edges"]) == len(graph.edges)
    drawn = graphviz(dot(graph), "svg")
    assert "<script" not in drawn
    words = "".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in words
    assert "&amp;lt;b&amp;gt;" in words, "an entity in a text stays what it is"
    assert "back\\slash \\n \\l \\N \\" in words
    assert "حريق" in words


@pytest.mark.skipif(DOT is None, reason="no graphviz on this machine")
@pytest.mark.parametrize("seed", range(3))
def test_dot_has_every_edge(seed: int) -> None:
    graph = of_chance(seed)
    names = {node.key: number for number, node in enumerate(graph.nodes)}
    read = json.loads(graphviz(dot(graph), "json"))
    assert sorted((one["tail"], one["head"]) for one in read["edges"]) == sorted(
        (names[edge.maker], names[edge.reader]) for edge in graph.edges
    )


def test_mermaid_has_a_statement_a_line_whatever_the_labels_hold() -> None:
    graph = hostile()
    first, title, about, *lines = mermaid(graph).splitlines()
    assert first == "flowchart TD" and title.startswith("  accTitle: ") and about.startswith("  accDescr: ")
    nodes, edges = lines[: len(graph.nodes)], lines[len(graph.nodes) :]
    assert all(NODE.fullmatch(line) for line in nodes)
    assert all(EDGE.fullmatch(line) for line in edges) and len(edges) == len(graph.edges)


@pytest.mark.parametrize("text", HOSTILE)
def test_mermaid_labels_decode_to_the_text(text: str) -> None:
    code = escaped(text)
    assert not re.search(r"[\"`<>&\[\]{}|%\\*_~$@:'!?]", code)
    assert re.sub(r"#(\d+);", lambda found: chr(int(found[1])), code).replace("\u2060", "") == clean(text)


def test_marks_are_written_in_words_too() -> None:
    nodes = (Node("a", "stage", "a", (Line("x"),), "stale", ("params changed",)), Node("b", "score", "b"))
    graph = Graph("t", "", nodes, (Edge("a", "b", ("run.trec",), broken=True),))
    assert "#40;stale#41;" in mermaid(graph) and ":::stale" in mermaid(graph) and "classDef stale" in mermaid(graph)
    assert "(stale)" in dot(graph) and "run.trec: broken" in dot(graph)
