"""Graphs to draw: with words that no syntax should take for its own, and larger ones of chance."""

from __future__ import annotations

import random
from itertools import pairwise

from tasks.lineage.picture.graph import Edge, Graph, Line, Node

HOSTILE = (
    'quote " and \' and `tick` and "`both`"',
    "<script>alert(1)</script> &amp; &lt;b&gt; & <br/>",
    "[square] (round) {curly} |bar| ((circle)) >flag]",
    "back\\slash \\n \\l \\N \\",
    "حريق في السوق القديم",
    "老城区市场火灾 구시가지 시장 화재",
    "1. a list",
    "- another",
    "* star * _under_ **bold** ~~gone~~",
    "%%{init: {'theme':'dark'}}%% %% comment",
    "end; style a:#fff; classDef b:#000;",
    "subgraph x click n0 href --> --- ==> -.->",
    "$$x^2$$ #quot; #35; #x22;",
    "line one\nline two\ttab\r\x00\x07\x1b[31m end",
    "@{ shape: circle } :::broken",
    "e\u0301\u0301 zero\u200bwidth \U0001f3ac",
    "]]> --> <!-- CDATA",
    "x" * 300,
)


def hostile() -> Graph:
    """Every hostile text as a title, a line and a label, and one more as the graph's own title."""
    nodes = [Node(text, "stage", text, (Line(text, most=2), Line(text, "digest"))) for text in HOSTILE]
    edges = [Edge(one, other, (one, other)) for one, other in pairwise(HOSTILE)]
    edges += [Edge(HOSTILE[0], HOSTILE[-1], (HOSTILE[1],), broken=True)]
    return Graph(" ".join(HOSTILE[:3]), " ".join(HOSTILE), tuple(nodes), tuple(edges))


def of_chance(seed: int, size: int = 14) -> Graph:
    """An acyclic graph with sources, marks and lines of any length."""
    chance = random.Random(seed)
    nodes = [Node("n0", "stage", "n0")]
    edges: list[Edge] = []
    for number in range(1, size):
        key = f"n{number}"
        lines = tuple(
            Line("word " * chance.randrange(1, 20), most=chance.randrange(1, 4)) for _ in range(chance.randrange(5))
        )
        mark = chance.choice([None, None, "stale", "follows", "broken", "missing"])
        nodes.append(Node(key, "stage", f"{key} " * chance.randrange(1, 9), lines, mark, ("why " * 9,) if mark else ()))
        edges += [
            Edge(f"n{other}", key, ("artifact.parquet",) * chance.randrange(4), chance.random() < 0.2)
            for other in chance.sample(range(number), min(number, chance.randrange(1, 5)))
        ]
    for number in range(chance.randrange(6)):
        key = f"s{number}"
        nodes.append(Node(key, "source", f"source {number}", (Line("a model"),)))
        readers = sorted(chance.sample(range(size), chance.randrange(1, 4)))
        edges += [Edge(key, f"n{reader}", ("weights",)) for reader in readers]
    return Graph("of chance", "", tuple(nodes), tuple(edges))
