"""`reeltrace audit graph`: a lineage as a picture, Mermaid, DOT or SVG."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tasks.audit.graph.boxes import state_of
from tasks.audit.graph.items import graph_of_pair, graph_of_query
from tasks.audit.text import as_json, put
from tasks.audit.trace.trace import trace_score
from tasks.lineage.picture.formats import dot, mermaid
from tasks.lineage.picture.graph import Graph
from tasks.lineage.picture.stages import score_node, stage_graph
from tasks.lineage.picture.svg import svg
from tasks.lineage.score import Score, resolve
from tasks.shared.runtime.errors import UserError

FORMATS: dict[str, Callable[[Graph], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg}
ENDINGS = {".svg": "svg", ".dot": "dot", ".gv": "dot"}


def answer(chosen: argparse.Namespace) -> int:
    """Write the graph of the score that was named."""
    if chosen.json and chosen.format:
        raise UserError("--json has nodes and edges, --format a picture of them; name one of the two")
    graph, output = graph_of(resolve(chosen.score, chosen.rev)), chosen.output
    form = chosen.format or ENDINGS.get(output.suffix if output else "", "mermaid")
    text = as_json(graph) + "\n" if chosen.json else FORMATS[form](graph)
    if put(text, output):
        print(f"{output}: {len(graph.nodes)} nodes, {len(graph.edges)} edges")
    return 0


def graph_of(score: Score) -> Graph:
    """The lineage of a number, of a query's ranking, or of a video's rank in it."""
    if score.video_id is not None:
        return graph_of_pair(score)
    return graph_of_query(score) if score.query_id is not None else graph_of_score(score)


def graph_of_score(score: Score) -> Graph:
    """The stages that a number, or a stage's result, follows from. Raises UserError where there is no such number."""
    lineage = score.lineage
    traced = trace_score(score) if score.stage in lineage.executions else None
    names = lineage.upstream(score.stage)
    marks, about = state_of(lineage, names)
    if lineage.tracking.problem:
        about += f" {lineage.tracking.problem}."
    number, title = None, f"Lineage of {score.stage}"
    if traced and traced.system and traced.value is not None:
        over = f"over {traced.queries} queries and {traced.videos} videos"
        number = score_node(traced.measure, traced.system, traced.value, traced.interval, over)
        title = f"Lineage of {number.title} {number.lines[0].text}"
    runs = traced.ancestry.runs if traced else {}
    return stage_graph(lineage, names, number, marks, title=title, about=about, runs=runs)
