"""The lineage of a score stage by stage, with what does not hold of it marked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks.audit.trace.trace import ScoreTrace, trace_score
from tasks.lineage.dvc import stale_stages
from tasks.lineage.lineage import Lineage
from tasks.lineage.picture.graph import Graph, Mark, Node, short
from tasks.lineage.picture.stages import score_node, stage_graph
from tasks.lineage.score import Score
from tasks.shared.artifacts.types import RESULTS

LEGEND: dict[Mark, str] = {
    "stale": "DVC would run this stage again: a param, a source file or a file it read or made has changed since",
    "follows": "unchanged itself, but made of what is stale, broken or missing",
    "broken": "what was read is not, byte for byte, what its maker has here: the two are not of one run",
    "missing": "its manifest is not to be had in this state",
}
Marks = dict[str, tuple[Mark, tuple[str, ...]]]  # by stage: the mark and its reasons


def graph_of_score(score: Score) -> Graph:
    """The stages that a number, or a stage's result, follows from. Raises UserError where there is no such number."""
    lineage = score.lineage
    traced = trace_score(score) if score.stage in lineage.executions else None
    wanted = lineage.upstream(score.stage)
    marks, notes = marks_of(lineage, wanted)
    if lineage.tracking.problem:
        notes.append(f"{lineage.tracking.problem}.")
    number = _score(traced) if traced else None
    if number and score.stage in marks:
        number = replace(number, mark="follows")
    what = f"{number.title} {number.lines[0].text}" if number else score.stage
    return stage_graph(
        lineage,
        wanted,
        number,
        marks,
        title=f"Lineage of {what}",
        about=" ".join([state_of(lineage), *notes]),
        legend=legend_of(lineage, {mark for mark, _ in marks.values()} | ({"follows"} if marks else set())),
        runs=traced.ancestry.runs if traced else {},
    )


def legend_of(lineage: Lineage, used: set[Mark]) -> dict[Mark, str]:
    """The marks that there can be: of a state other than the workspace DVC's status says nothing."""
    if lineage.objects is None:
        return {mark: meaning for mark, meaning in LEGEND.items() if mark != "missing" or mark in used}
    return {mark: meaning for mark, meaning in LEGEND.items() if mark == "broken" or mark in used}


def state_of(lineage: Lineage) -> str:
    """The state in a sentence."""
    at = f" at commit {short(lineage.commit)}" if lineage.commit else ""
    changed = f", {len(lineage.dirty)} tracked files changed since" if lineage.dirty else ""
    return f"State: {lineage.name}{at}{changed}."


def marks_of(lineage: Lineage, wanted: list[str]) -> tuple[Marks, list[str]]:
    """What does not hold of some stages, and sentences on the whole."""
    broken = lineage.broken(*wanted) if wanted else []
    stale: Mapping[str, tuple[str, ...]] = {}
    problem = None
    if lineage.objects is None:
        stale, problem = stale_stages(lineage.root)
    marks: Marks = {}
    lost = [name for name in wanted if name in lineage.missing]
    first = {*stale, *lost, *(link.reader for link in broken)} & set(wanted)
    for name in lineage.downstream(*first) if first else ():
        marks[name] = ("follows", ())
    for name in stale:
        marks[name] = ("stale", stale[name])
    for link in broken:
        made = f"read another {Path(link.artifact.path).relative_to(RESULTS)} (sha256 {short(link.artifact.sha256)})"
        marks[link.reader] = ("broken", (*marks[link.reader][1], made))
    for name in lost:
        marks[name] = ("missing", ())
    marks = {name: mark for name, mark in marks.items() if name in wanted}
    notes = (
        [problem]
        if problem
        else []
        if marks
        else [f"Nothing {'here is stale or' if lineage.objects is None else 'is'} broken."]
    )
    return marks, notes


def _score(traced: ScoreTrace) -> Node | None:
    if traced.system is None or traced.value is None:
        return None
    over = f"over {traced.queries} queries and {traced.videos} videos"
    return score_node(traced.measure, traced.system, traced.value, traced.interval, over)
