"""`reeltrace audit graph`: a lineage as a picture, Mermaid, DOT or SVG."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.audit.text import as_json
from tasks.lineage.score import Score, resolve
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_text

if TYPE_CHECKING:
    from tasks.lineage.picture.graph import Graph


def answer(chosen: argparse.Namespace) -> int:
    """Write the graph of the score that was named."""
    if chosen.json and chosen.format:
        raise UserError("--json has nodes and edges, --format a picture of them; name one of the two")
    graph = graph_of(resolve(chosen.score, chosen.rev))
    text = as_json(graph) + "\n" if chosen.json else drawn(graph, chosen.format or _by_ending(chosen.output))
    if chosen.output is None:
        print(text, end="")
        return 0
    try:
        write_text(chosen.output, text)
    except OSError as error:
        raise UserError(f"{chosen.output} cannot be written ({error.strerror}); name another with --output") from None
    print(f"{chosen.output}: {len(graph.nodes)} nodes, {len(graph.edges)} edges")
    return 0


def drawn(graph: Graph, form: str) -> str:
    """The graph in Mermaid, DOT or SVG."""
    from tasks.lineage.picture.formats import dot, mermaid
    from tasks.lineage.picture.svg import svg

    return {"mermaid": mermaid, "dot": dot, "svg": svg}[form](graph)


def _by_ending(output: Path | None) -> str:
    return {".svg": "svg", ".dot": "dot", ".gv": "dot"}.get(output.suffix if output else "", "mermaid")


def graph_of(score: Score) -> Graph:
    """The lineage of a number, of a query's ranking, or of a video's rank in it."""
    from tasks.audit.graph.items import graph_of_pair, graph_of_query
    from tasks.audit.graph.stages import graph_of_score

    if score.video_id is not None:
        return graph_of_pair(score)
    return graph_of_query(score) if score.query_id is not None else graph_of_score(score)
