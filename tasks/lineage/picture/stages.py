"""A lineage as a graph of its stages, and the models and data from outside that they used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from tasks.lineage.lineage import Lineage
from tasks.lineage.model import Execution, Run
from tasks.lineage.picture.graph import Edge, Graph, Line, Mark, Node, counted, short
from tasks.lineage.picture.sources import flat, sources_of
from tasks.shared.artifacts.publish import FILES, MANIFEST
from tasks.shared.artifacts.scores import METRICS
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.failures import FAILURES

Marks = Mapping[str, tuple[Mark, tuple[str, ...]]]  # by stage: what does not hold of it, and its reasons


def stage_graph(
    lineage: Lineage,
    names: Sequence[str],
    score: Node | None,
    marks: Marks,
    *,
    title: str,
    about: str,
    legend: Mapping[Mark, str],
    runs: Mapping[str, Sequence[Run]] | None = None,
    link: str | None = None,
) -> Graph:
    """The graph of stages that are in order, makers before readers; the last one makes the score.

    A stage whose manifest is not to be had is drawn with what dvc.yaml says that it reads.

    Args:
        names: of the stages.
        score: the number at the end; None where the lineage is a stage's.
        runs: MLflow's, by stage, where the picture is to name them.
        link: address of a stage's details, with `{}` for its name.
    """
    nodes: list[Node] = []
    edges: list[Edge] = []
    sources = sources_of(lineage, names)
    for name in names:
        for source, readers in sources:
            if readers[0][0] == name:
                nodes.append(source)
                edges += [Edge(source.key, reader, (what,)) for reader, what in readers]
        run_ids = [run.run_id for run in (runs or {}).get(name, ())]
        nodes.append(_stage_node(lineage, name, marks.get(name, (None, ())), run_ids, link))
        edges += _edges_into(lineage, name, names)
    if score is not None:
        nodes.append(score)
        edges.append(Edge(names[-1], score.key, (METRICS,)))
    return Graph(title, about, tuple(nodes), tuple(edges), dict(legend))


def score_node(measure: str, system: str, value: float, interval: Sequence[float] | None, over: str) -> Node:
    """The number that a lineage is of."""
    lines = [Line(f"{value:.3f}", "figure")]
    if interval:
        lines.append(Line(f"95 % interval {interval[0]:.3f} to {interval[1]:.3f}"))
    facts = {"measure": measure, "system": system, "value": value, "interval": list(interval) if interval else None}
    return Node("score", "score", f"{measure} of {system}", (*lines, Line(over, most=2)), facts=facts)


def _stage_node(
    lineage: Lineage, name: str, marked: tuple[Mark | None, tuple[str, ...]], run_ids: list[str], link: str | None
) -> Node:
    facts: dict[str, Any] = {"manifest": None, "inputs": dict.fromkeys(_reads(lineage, name))}
    lines = [Line(f"manifest {short(None)}", "digest")]
    if execution := lineage.executions.get(name):
        lines = [Line(f"manifest {short(execution.digest)}", "digest")]
        lines.append(Line(f"code {short(execution.code_digest)}", "digest"))
        lines += [Line(f"MLflow {run_ids[-1]}", "digest")] if run_ids else []
        if numbers := counted(execution.counts):
            lines.append(Line(numbers, most=3))
        params = dict(flat(execution.params))
        keys = [key for key in lineage.stages[name].key_params if key in params] if name in lineage.stages else []
        if said := " · ".join(f"{key.removeprefix(name + '.')} {params[key]}" for key in keys):
            lines.append(Line(said, most=3))
        facts = {
            "manifest": execution.digest,
            "code": execution.code_digest,
            "counts": execution.counts,
            "params": execution.params,
            "inputs": {path: one.sha256 for path, one in execution.used.items()},
            "runs": run_ids,
            "dvc": lineage.outs_of(name),
            "outputs": {path: one.sha256 for path, one in execution.generated.items()},
            "components": execution.components,
        }
    mark, why = marked
    return Node(name, "stage", name, tuple(lines), mark, why, link.format(name) if link else None, facts)


def _reads(lineage: Lineage, name: str) -> list[str]:
    """Paths of what a stage read; of one that is not to be had, of what dvc.yaml says it reads."""
    if name in lineage.executions:
        return list(lineage.executions[name].used)
    return [path.as_posix() for path in lineage.stages[name].inputs]


def _edges_into(lineage: Lineage, name: str, names: Sequence[str]) -> list[Edge]:
    """What a stage reads of the stages before it; an edge a maker, with the names of what was read."""
    read: dict[str, list[str]] = {}
    for path in _reads(lineage, name):
        place = PurePosixPath(path)
        if RESULTS in place.parents:
            read.setdefault(place.parts[1], []).append(path)
    broken = {link.maker for link in lineage.broken(name)}
    return [
        Edge(maker, name, tuple(_artifacts(maker, lineage.executions.get(maker), read[maker])), maker in broken)
        for maker in names
        if maker in read
    ]


def _artifacts(maker: str, execution: Execution | None, paths: Sequence[str]) -> list[str]:
    """Names of what was read of a stage; where that was its whole folder, of what lies in it, folders first."""
    parts = [PurePosixPath(path).parts[2:] for path in paths]
    if () in parts or (MANIFEST,) in parts:
        made = [*execution.generated, *(f"{folder}/" for folder in execution.folders)] if execution else []
        names = {_name(tuple(path.split("/")[2:])) for path in made} - {FAILURES, FILES}
        return sorted(names, key=lambda one: (not one.endswith("/"), one)) or [f"all of {maker}"]
    return list(dict.fromkeys(map(_name, parts)))


def _name(parts: tuple[str, ...]) -> str:
    """A file, or the folder that it is in."""
    return parts[0] + ("/" if len(parts) > 1 else "")
