"""The lineage of a score stage by stage, with what does not hold of it marked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks.audit.chain import Stage
from tasks.audit.graph.stale import stale_stages
from tasks.audit.links import Link, broken, links
from tasks.audit.score import Score
from tasks.audit.snapshot import Snapshot
from tasks.audit.trace.answers import ScoreTrace
from tasks.audit.trace.trace import trace_score
from tasks.lineage.picture.graph import Graph, Mark, Node
from tasks.lineage.picture.stages import Marked, Recorded, score_node, short, stage_graph
from tasks.shared.artifacts import transcripts
from tasks.shared.artifacts.scores import METRICS, read_scores
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.pipeline import downstream_of, upstream_of
from tasks.shared.runtime.errors import UserError

BROKEN = "what was read is not, byte for byte, what its maker has here: the two are not of one run"
MISSING = "its manifest is not to be had in this state"
LEGEND: dict[Mark, str] = {
    "stale": "DVC would run this stage again: a param, a source file or a file it read or made has changed since",
    "follows": "unchanged itself, but made of what is stale, broken or missing",
    "broken": BROKEN,
    "missing": MISSING,
}
RECOGNISER = transcripts.FOLDER / "model.json"
ALL_WELL = "Nothing here is stale or broken."


Marks = dict[str, tuple[Mark, tuple[str, ...]]]  # by stage: the mark and its reasons


def graph_of_score(score: Score) -> Graph:
    """The stages that a number, or a stage's result, follows from. Raises UserError where there is no such number."""
    snapshot = score.snapshot
    traced = trace_score(score) if score.stage in snapshot.manifests else None
    wanted = upstream_of(snapshot.stages, score.stage)
    held = [link for link in broken(links(snapshot)) if link.stage in wanted]
    marks, notes = marks_of(snapshot, wanted, held)
    known = {one.name: one for one in traced.ancestry.stages} if traced else {}
    recorded = [_recorded(snapshot, name, known.get(name)) for name in wanted]
    if snapshot.executions.problem:
        notes.append(f"{snapshot.executions.problem}.")
    number = _score(traced) if traced else None
    if number and score.stage in marks:
        number = replace(number, mark="follows")
    what = f"{number.title} {number.lines[0].text}" if number else score.stage
    return stage_graph(
        recorded,
        number,
        Marked(marks, frozenset((link.stage, link.path) for link in held)),
        title=f"Lineage of {what}",
        about=" ".join([state_of(snapshot), *notes]),
        legend=legend_of(snapshot, {mark for mark, _ in marks.values()} | ({"follows"} if marks else set())),
        digests=digests_of(snapshot),
    )


def legend_of(snapshot: Snapshot, used: set[Mark]) -> dict[Mark, str]:
    """The marks that there can be: of a state other than the workspace DVC's status says nothing."""
    if snapshot.objects is None:
        return {mark: meaning for mark, meaning in LEGEND.items() if mark != "missing" or mark in used}
    return {mark: meaning for mark, meaning in LEGEND.items() if mark == "broken" or mark in used}


def state_of(snapshot: Snapshot) -> str:
    """The state in a sentence."""
    at = f" at commit {short(snapshot.commit)}" if snapshot.commit else ""
    changed = f", {len(snapshot.dirty)} tracked files changed since" if snapshot.dirty else ""
    return f"State: {snapshot.name}{at}{changed}."


def marks_of(snapshot: Snapshot, wanted: list[str], held: list[Link]) -> tuple[Marks, list[str]]:
    """What does not hold of some stages, given their broken links; and sentences on the whole."""
    stale: Mapping[str, tuple[str, ...]] = {}
    problem = None
    if snapshot.objects is None:
        stale, problem = stale_stages(snapshot.root)
    marks: Marks = {}
    lost = [name for name in wanted if name in snapshot.missing]
    first = {*stale, *lost, *(link.stage for link in held)} & set(wanted)
    for name in downstream_of(snapshot.stages, *first) if first else ():
        marks[name] = ("follows", ())
    for name in stale:
        marks[name] = ("stale", stale[name])
    for link in held:
        made = f"read another {Path(link.path).relative_to(RESULTS)} (sha256 {short(link.sha256)})"
        marks[link.stage] = ("broken", (*marks[link.stage][1], made))
    for name in lost:
        marks[name] = ("missing", ())
    marks = {name: mark for name, mark in marks.items() if name in wanted}
    notes = [problem] if problem else [] if marks else [ALL_WELL if snapshot.objects is None else "Nothing is broken."]
    return marks, notes


def _recorded(snapshot: Snapshot, name: str, stage: Stage | None) -> Recorded:
    """A stage as the ancestry has it, or where its manifest is not to be had, as dvc.yaml states it."""
    if stage is None:
        spec = snapshot.stages[name]
        return Recorded(
            name, None, {}, {}, {path.as_posix(): None for path in spec.inputs}, [path.as_posix() for path in spec.outs]
        )
    runs = [run.run_id for run in stage.runs]
    extra = (f"code {short(stage.code)}", *([f"MLflow {runs[-1]}"] if runs else []))
    return Recorded(
        name=name,
        manifest=stage.manifest,
        params=stage.params,
        counts=stage.counts,
        reads={link.path: link.sha256 for link in stage.inputs},
        made=[*stage.outputs, *(f"{folder}/" for folder in stage.folders)],
        code=stage.code,
        extra=extra,
        facts={"runs": runs, "dvc": stage.dvc, "outputs": stage.outputs, "components": stage.components},
    )


def _score(traced: ScoreTrace) -> Node | None:
    if traced.system is None or traced.value is None:
        return None
    over = f"over {traced.queries} queries and {traced.videos} videos"
    return score_node(traced.measure, traced.system, traced.value, traced.interval, over)


def digests_of(snapshot: Snapshot) -> dict[str, str | None]:
    """Digests of models from outside by their name in params, where a stage recorded them."""
    found: dict[str, str | None] = {}
    try:
        if "transcribe" in snapshot.manifests:
            heard = json.loads(snapshot.need(RECOGNISER).read_text(encoding="utf-8"))
            found[heard["model"]] = heard["digest"]
        if "evaluate" in snapshot.manifests:
            retriever = read_scores(snapshot.need(RESULTS / "evaluate" / METRICS).parent).retriever or {}
            found[str(retriever.get("model"))] = retriever.get("digest")
    except (UserError, ValueError, KeyError):
        return found  # a name without its digest is what the picture then shows
    return found
