"""Rankings computed again from what was ranked, and scores from the rankings, compared with what evaluation wrote."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.rows import LANCE, opened
from tasks.audit.verify.state import State
from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.fusion import compared, fuse_system
from tasks.evaluate.measures import PerQuery, per_query
from tasks.evaluate.numbers import numbers
from tasks.evaluate.rankings import read_views, texts_of
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores as artifact
from tasks.shared.artifacts.corpus import read_qrels, read_queries, read_videos
from tasks.shared.artifacts.fusion import run_name
from tasks.shared.artifacts.index import read_index_manifest
from tasks.shared.artifacts.runs import RUNS, read_run
from tasks.shared.artifacts.types import FUSIONS, Run
from tasks.shared.artifacts.vectors import SYSTEMS, VIEWS, Vectors, read_vectors
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import search
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

FOLDER = artifact.FOLDER.as_posix()
CLOSE = 2e-6  # two float32 that were rounded apart, relative for numbers above 1


def check_scores(state: State) -> None:
    """Compute what the evaluate stage wrote again and compare it; what cannot be read is a note."""
    answer, results, execution = state.answer, state.lineage.results, state.lineage.executions.get("evaluate")
    if execution is None:
        answer.unchecked("scores", f"{FOLDER} has no manifest that says how they were computed")
        return
    for what, check in (("rankings", _check_rankings), ("scores", _check_numbers)):
        try:
            check(answer, execution, results)
        except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
            answer.unchecked(f"{what} computed again", error)


def _check_rankings(answer: Answer, execution: Execution, results: Path) -> None:
    depth, evaluated = execution.param("evaluate.depth"), results / "evaluate"
    names = {path.stem for path in (evaluated / RUNS).glob("*.trec")}
    if "text_dense" in names:
        what = "its vectors are not kept, so its ranking is taken as it is: only what it scores is computed again"
        answer.unchecked("text_dense", what)
    for name, source, again in _again(execution, results, names, depth):
        there = read_run(name, evaluated)
        for query_id in sorted({*again, *there}):
            answer.checked["rankings computed again"] += 1
            mine, theirs = again.get(query_id, {}), there.get(query_id, {})
            lowest = min(mine.values(), default=0.0) if len(mine) == depth else -math.inf
            scores = theirs | mine  # of equal ones at the cut either may be in a ranking
            cut = {one for one in mine.keys() ^ theirs.keys() if scores[one] <= lowest or _close(scores[one], lowest)}
            kept = [{one: score for one, score in run.items() if one not in cut} for run in (mine, theirs)]
            _compare(answer, f"{FOLDER}/{RUNS}/{name}.trec query {query_id} video", source, *kept)


def _again(execution: Execution, results: Path, names: set[str], depth: int) -> Iterator[tuple[str, str, Run]]:
    """Rankings, each with what it follows from: the rows of the index for the final system, the vectors of the other
    one, those of single modalities for fusion, and the documents' text for bm25."""
    corpus, folder = results / "corpus", results / "encode" / "vectors"
    modalities = execution.param("encode.modalities")
    final = read_index_manifest(results / "encode").encoding.system
    for system in [one for one in SYSTEMS if one in names]:
        source = LANCE if system == final else f"results/encode/vectors/{system}.videos.parquet"
        documents = _rows(results) if system == final else read_vectors(system, "videos", folder)
        yield system, source, search(read_vectors(system, "queries", folder), documents, depth)
        if methods := [one for one in FUSIONS if run_name(system, one) in names]:
            training = read_qrels(corpus / "qrels.train.trec")
            weights = execution.param("evaluate.weights")
            fused = fuse_system(system, methods, modalities, weights, training, depth, folder).runs
            source = ", ".join(f"results/encode/vectors/{system}.videos.{one}.parquet" for one in modalities)
            yield from ((run_name(system, method), source, fused.get(method, {})) for method in methods)
    if "bm25" in names:
        asked = {one.query_id: one.text for one in read_queries(corpus / "queries.parquet", "test")}
        videos = read_videos(corpus / "manifest.parquet", "test")
        texts = texts_of(videos, execution.param("document.test_text"), results / "transcribe")
        yield "bm25", "results/corpus, results/transcribe", BM25(texts).search(asked, depth)


def _rows(results: Path) -> Vectors:
    """The vectors of the index's rows."""
    import numpy as np

    table, _, _ = opened(results.parent / LANCE)
    values = np.asarray(table.column("vector").combine_chunks().flatten(), dtype=np.float32)
    return Vectors(table.column("video_id").to_pylist(), values.reshape(table.num_rows, -1))


def _check_numbers(answer: Answer, execution: Execution, results: Path) -> None:
    """What every query scores, and all numbers of metrics.json, from the rankings and the judgments."""
    corpus, evaluated = results / "corpus", results / "evaluate"
    videos, queries = read_videos(corpus / "manifest.parquet", "test"), read_queries(corpus / "queries.parquet", "test")
    there = read_json(evaluated / artifact.METRICS)
    systems = [one for one in artifact.SYSTEMS if (evaluated / RUNS / f"{one}.trec").is_file()]
    runs = {name: read_run(name, evaluated) for name in systems}
    sizes = *(execution.param(f"evaluate.{key}") for key in ("bootstrap", "permutations")), execution.param("run.seed")
    scores, values, judged = numbers(videos, queries, read_qrels(corpus / "qrels.test.trec"), runs, *sizes)
    again = {part: one for part, one in asdict(scores).items() if part not in ("note", "retriever")}
    if "directions" in there:
        ranks = direction_ranks(read_views(VIEWS, results / "encode" / "vectors"))
        again["directions"] = asdict(directions(ranks, *sizes))
    if "fusion" in there:
        fused: dict[str, dict[str, PerQuery]] = defaultdict(dict)
        for system, one in ((system, one) for system, of in there["fusion"]["systems"].items() for one in of):
            own = one != "joint"
            ranked = read_run(run_name(system, one), evaluated) if own else {}
            fused[system][one] = per_query(ranked, judged) if own else values[system]
        again["fusion"] = there["fusion"] | asdict(compared(fused, *sizes))
    for part, one in again.items():
        answer.checked["numbers computed again"] += len(_leaves(one))
        _compare(answer, f"{FOLDER}/{artifact.METRICS} {part}", f"{FOLDER}/{RUNS}", one, there.get(part))
    rows = {f"query {one.query_id} system {one.system}": one.values for one in artifact.read_per_query(evaluated)}
    mine = {f"query {one} system {name}": of for name, found in values.items() for one, of in found.items()}
    answer.checked["per-query scores computed again"] += len(mine)
    for name in sorted({*rows, *mine}):
        where = f"{FOLDER}/{artifact.PER_QUERY} {name}"
        _compare(answer, where, f"{FOLDER}/{RUNS}", mine.get(name), rows.get(name))


def _compare(answer: Answer, where: str, record: str, again: Any, there: Any) -> None:
    """Name every number that differs between two numbers, or two values of nested dicts and lists."""
    wanted, found = _leaves(again), _leaves(there)
    for name in sorted({*wanted, *found}):
        one, other = wanted.get(name), found.get(name)
        if not (isinstance(one, int | float) and isinstance(other, int | float) and _close(one, other)):
            shown = [None if value is None else repr(value) for value in (one, other)]
            answer.compare(f"{where} {name}".strip(), record, *shown)


def _close(one: float, other: float) -> bool:
    """Whether two numbers may differ only because they were added up in another order."""
    return abs(one - other) <= CLOSE * max(1.0, abs(one))


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    if not isinstance(value, Mapping | list | tuple):
        return {name: value}
    found: dict[str, Any] = {}
    for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
        found |= _leaves(one, f"{name}/{key}" if name else str(key))
    return found
