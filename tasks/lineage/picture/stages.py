"""A lineage as a graph of its stages, and the models and data from outside that they used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run, short_path
from tasks.lineage.picture.graph import Edge, Graph, Line, Mark, Node, counted, digests, short
from tasks.lineage.picture.sources import flat, sources_of
from tasks.shared.artifacts.publish import FILES, MANIFEST
from tasks.shared.artifacts.scores import METRICS
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.failures import FAILURES

Marks = Mapping[str, tuple[Mark, tuple[str, ...]]]  # by stage: what does not hold of it, and its reasons


def marks_of(lineage: Lineage, names: Sequence[str], stale: Mapping[str, Sequence[str]]) -> Marks:
    """What does not hold of some stages, makers before readers. `stale` has DVC's reasons, by stage."""
    marks: dict[str, tuple[Mark, tuple[str, ...]]] = {}
    for name in names:
        others = [
            f"read another {link.maker}/{short_path(link.artifact.path)} (sha256 {short(link.artifact.sha256)})"
            for link in lineage.broken(name)
        ]
        if name in lineage.missing:
            marks[name] = ("missing", ())
        elif others:
            marks[name] = ("broken", (*stale.get(name, ()), *others))
        elif name in stale:
            marks[name] = ("stale", tuple(stale[name]))
        elif any(maker in marks for maker in _read(lineage, name)):
            marks[name] = ("follows", ())
    return marks


def stage_graph(
    lineage: Lineage,
    names: Sequence[str],
    score: Node | None,
    marks: Marks,
    *,
    title: str,
    about: str,
    runs: Mapping[str, Sequence[Run]] | None = None,
    link: str | None = None,
) -> Graph:
    """The graph of stages that are in order, makers before readers; the last one makes the score.

    Args:
        score: the number at the end; None where the lineage is a stage's.
        runs: MLflow's, by stage, where the picture is to name them.
        link: address of a stage's details, with `{}` for its name.
    """
    nodes, edges, sources = list[Node](), list[Edge](), sources_of(lineage, names)
    for name in names:
        for source, uses in sources:
            if next(iter(uses)) == name:
                nodes.append(source)
                edges += [Edge(source.key, reader, (what,)) for reader, what in uses.items()]
        run_ids = [run.run_id for run in (runs or {}).get(name, ())]
        lines, facts = _described(lineage, lineage.executions.get(name), run_ids)
        mark, why = marks.get(name, (None, ()))
        nodes.append(Node(name, "stage", name, lines, mark, why, link and link.format(name), facts))
        read, broken = _read(lineage, name), {one.maker for one in lineage.broken(name)}
        edges += [
            Edge(maker, name, tuple(_artifacts(maker, lineage.executions.get(maker), read[maker])), maker in broken)
            for maker in names
            if maker in read
        ]
    if score is not None:
        nodes.append(replace(score, mark="follows") if names[-1] in marks else score)
        edges.append(Edge(names[-1], score.key, (METRICS,)))
    return Graph(title, about, tuple(nodes), tuple(edges))


def score_node(measure: str, system: str, value: float, interval: Sequence[float] | None, over: str) -> Node:
    """The number that a lineage is of."""
    found = [Line(f"95 % interval {interval[0]:.3f} to {interval[1]:.3f}")] if interval else []
    lines = (Line(f"{value:.3f}", "figure"), *found, Line(over, most=2))
    facts = {"measure": measure, "system": system, "value": value, "interval": interval}
    return Node("score", "score", f"{measure} of {system}", lines, facts=facts)


def _described(lineage: Lineage, execution: Execution | None, run_ids: list[str]) -> tuple[tuple[Line, ...], Any]:
    """What a stage's box says, for people and for programs."""
    if execution is None:
        return tuple(digests(f"manifest {short(None)}")), {"manifest": None}
    name, params = execution.stage, flat(execution.params)
    keys = lineage.stages[name].key_params if name in lineage.stages else ()
    chosen = " · ".join(f"{key.removeprefix(name + '.')} {params[key]}" for key in keys if key in params)
    lines = digests(f"manifest {short(execution.digest)}", f"code {short(execution.code_digest)}")
    lines += digests(*(f"MLflow {run_id}" for run_id in run_ids[-1:]))
    lines += [Line(text, most=3) for text in (counted(execution.counts), chosen) if text]
    facts = {"manifest": execution.digest, "runs": run_ids, "dvc": lineage.outs_of(name), "execution": execution}
    return tuple(lines), facts


def _read(lineage: Lineage, name: str) -> dict[str, list[str]]:
    """Paths of what a stage read of others, by who made it; where it is missing, of what dvc.yaml says it reads."""
    execution = lineage.executions.get(name)
    paths = execution.used if execution else map(str, lineage.stages[name].inputs)
    found: dict[str, list[str]] = {}
    for path in map(PurePosixPath, paths):
        if RESULTS in path.parents:
            found.setdefault(path.parts[1], []).append(str(path))
    return found


def _artifacts(maker: str, execution: Execution | None, paths: Sequence[str]) -> list[str]:
    """Names of what was read of a stage; where that was its whole folder, of what lies in it, folders first."""
    parts = [PurePosixPath(path).parts[2:] for path in paths]
    if () not in parts and (MANIFEST,) not in parts:
        return list(dict.fromkeys(map(_name, parts)))
    made = [*execution.generated, *(f"{folder}/" for folder in execution.folders)] if execution else []
    names = {_name(tuple(path.split("/")[2:])) for path in made} - {FAILURES, FILES}
    return sorted(names, key=lambda one: (not one.endswith("/"), one)) or [f"all of {maker}"]


def _name(parts: tuple[str, ...]) -> str:
    """A file, or the folder that it is in."""
    return parts[0] + ("/" if len(parts) > 1 else "")
