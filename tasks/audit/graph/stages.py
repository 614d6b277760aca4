"""The lineage of a score stage by stage, with what does not hold of it marked."""

from __future__ import annotations

from collections.abc import Sequence

from tasks.audit.trace.trace import trace_score
from tasks.lineage.dvc import stale_stages
from tasks.lineage.lineage import Lineage
from tasks.lineage.picture.graph import Graph, short
from tasks.lineage.picture.stages import Marks, marks_of, score_node, stage_graph
from tasks.lineage.score import Score


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


def state_of(lineage: Lineage, names: Sequence[str]) -> tuple[Marks, str]:
    """What does not hold of some stages, makers before readers, and sentences on the state."""
    stale, problem = stale_stages(lineage.root) if lineage.objects is None else ({}, None)
    marks = marks_of(lineage, names, stale)
    at = f" at commit {short(lineage.commit)}" if lineage.commit else ""
    changed = f", {len(lineage.dirty)} tracked files changed since" if lineage.dirty else ""
    sentences = [f"State: {lineage.name}{at}{changed}."]
    if problem or not marks:
        sentences.append(problem or f"Nothing {'here is stale or' if lineage.objects is None else 'is'} broken.")
    return marks, " ".join(sentences)
