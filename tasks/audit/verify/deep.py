"""Rankings computed again from what was ranked, and scores from the rankings, compared with what evaluation wrote."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.rows import LANCE, opened
from tasks.audit.verify.state import State
from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.fusion import compared, fuse_system
from tasks.evaluate.measures import headline, means, per_query
from tasks.evaluate.rankings import read_views, texts_of
from tasks.evaluate.significance import comparisons, interval
from tasks.evaluate.slices import slices
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores as artifact
from tasks.shared.artifacts.corpus import positives_of, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.fusion import run_name
from tasks.shared.artifacts.index import DATABASE, read_index_manifest
from tasks.shared.artifacts.runs import RUNS, read_run
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query
from tasks.shared.artifacts.types import FUSIONS, Run
from tasks.shared.artifacts.vectors import SYSTEMS, VIEWS, Vectors, read_vectors
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import search
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

FOLDER = artifact.FOLDER.as_posix()
CLOSE = 2e-6  # two float32 that were rounded apart, relative for numbers above 1


def check_scores(state: State, answer: Answer) -> None:
    """Compute what the evaluate stage wrote again and compare it; what cannot be read is a note."""
    execution = state.lineage.executions.get("evaluate")
    if execution is None:
        answer.note("not checked", "scores", f"{FOLDER} has no manifest that says how they were computed")
        return
    with state.laid_out("corpus", "transcribe", "encode", "evaluate") as results:
        for what, check in (("rankings", _check_rankings), ("scores", _check_numbers)):
            try:
                folder = results / "evaluate"
                there = [one for one in artifact.SYSTEMS if (folder / RUNS / f"{one}.trec").is_file()]
                check(answer, execution, results, {name: read_run(name, folder) for name in there})
            except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
                answer.note("not checked", f"{what} computed again", " ".join(str(error).split())[:300])


def _check_rankings(answer: Answer, execution: Execution, results: Path, runs: dict[str, Run]) -> None:
    """tuned and base by exact search, the final system over the index's rows and the other over its vectors, and by
    fusion of the vectors of single modalities; bm25 over the documents' text."""
    depth, folder = execution.param("evaluate.depth"), results / "encode" / "vectors"
    final = read_index_manifest(results / "encode").encoding.system
    for system in [one for one in SYSTEMS if one in runs]:
        documents = _rows(results) if system == final else read_vectors(system, "videos", folder)
        source = LANCE if system == final else f"results/encode/vectors/{system}.videos.parquet"
        again = search(read_vectors(system, "queries", folder), documents, depth)
        _check_run(answer, system, source, again, runs[system], depth)
        _check_fusions(answer, execution, results, system)
    if "bm25" in runs:
        queries = read_queries(results / "corpus" / "queries.parquet", "test")
        videos = read_videos(results / "corpus" / "manifest.parquet", "test")
        texts = texts_of(videos, execution.param("document.test_text"), results / "transcribe")
        again = BM25(texts).search({one.query_id: one.text for one in queries}, depth)
        _check_run(answer, "bm25", "results/corpus, results/transcribe", again, runs["bm25"], depth)
    if "text_dense" in runs:
        what = "its vectors are not kept, so its ranking is taken as it is: only what it scores is computed again"
        answer.note("not checked", "text_dense", what)


def _check_fusions(answer: Answer, execution: Execution, results: Path, system: str) -> None:
    evaluated, folder = results / "evaluate", results / "encode" / "vectors"
    methods = [one for one in FUSIONS if (evaluated / RUNS / f"{run_name(system, one)}.trec").is_file()]
    if not methods:
        return
    depth, modalities = execution.param("evaluate.depth"), execution.param("encode.modalities")
    weights, training = execution.param("evaluate.weights"), read_qrels(results / "corpus" / "qrels.train.trec")
    fused = fuse_system(system, methods, modalities, weights, training, depth, folder).runs
    source = ", ".join(f"results/encode/vectors/{system}.videos.{one}.parquet" for one in modalities)
    for name, again in ((run_name(system, one), fused.get(one, {})) for one in methods):
        _check_run(answer, name, source, again, read_run(name, evaluated), depth)


def _rows(results: Path) -> Vectors:
    """The vectors of the index's rows."""
    import numpy as np

    table, _, _ = opened(results / "encode" / DATABASE)
    column = table.column("vector").combine_chunks()
    values = np.asarray(column.flatten(), dtype=np.float32).reshape(table.num_rows, -1)
    return Vectors(table.column("video_id").to_pylist(), values)


def _check_run(answer: Answer, name: str, source: str, again: Run, there: Run, depth: int) -> None:
    for query_id in sorted({*again, *there}):
        answer.count("rankings computed again")
        mine, theirs = again.get(query_id, {}), there.get(query_id, {})
        lowest = min(mine.values(), default=0.0) if len(mine) == depth else -math.inf
        for video_id in sorted({*mine, *theirs}):
            one, other = mine.get(video_id), theirs.get(video_id)
            alone = other if one is None else one if other is None else None
            if alone is not None and (alone <= lowest or _close(alone, lowest)):
                continue  # at the cut, where equal scores may fall either way
            where = f"{FOLDER}/{RUNS}/{name}.trec query {query_id} video {video_id}"
            _compare(answer, where, source, one, other)


def _check_numbers(answer: Answer, execution: Execution, results: Path, runs: dict[str, Run]) -> None:
    """What every query scores, and all numbers of metrics.json, from the rankings and the judgments."""
    corpus, evaluated = results / "corpus", results / "evaluate"
    qrels = read_qrels(corpus / "qrels.test.trec")
    queries = read_queries(corpus / "queries.parquet", "test")
    videos = read_videos(corpus / "manifest.parquet", "test")
    scored = [query for query in queries if positives_of(qrels, query.query_id)]
    judged = {query.query_id: qrels[query.query_id] for query in scored}
    values = {name: per_query(run, judged) for name, run in runs.items()} if judged else {}
    rows = {(one.query_id, one.system): one.values for one in read_per_query(evaluated)}
    mine = {(query_id, name): one for name, of in values.items() for query_id, one in of.items()}
    for query_id, name in sorted({*rows, *mine}):
        answer.count("per-query scores computed again")
        where = f"{FOLDER}/{PER_QUERY} query {query_id} system {name}"
        _compare(answer, where, f"{FOLDER}/{RUNS}", mine.get((query_id, name)), rows.get((query_id, name)))
    seed, permutations = execution.param("run.seed"), execution.param("evaluate.permutations")
    sizes = execution.param("evaluate.bootstrap"), permutations, seed
    sure = partial(interval, resamples=sizes[0], seed=seed)
    there = read_json(evaluated / METRICS)
    again: dict[str, Any] = {
        "queries": len(scored),
        "videos": len(videos),
        "queries_without_positives": len(queries) - len(scored),
        "systems": {name: means(one) for name, one in values.items()},
        "intervals": {name: {HEADLINE: sure(headline(one))} for name, one in values.items()},
        "tests": comparisons(values, permutations, seed),
        "slices": slices(scored, videos, judged, runs, values, sure) if values else {},
    }
    if "directions" in there:
        ranks = direction_ranks(read_views(VIEWS, results / "encode" / "vectors"))
        again["directions"] = asdict(directions(ranks, *sizes))
    if "fusion" in there:
        of_files = {
            system: {
                method: values[system]
                if method == "joint"
                else per_query(read_run(run_name(system, method), evaluated), judged)
                for method in of
            }
            for system, of in there["fusion"]["systems"].items()
        }
        again["fusion"] = there["fusion"] | asdict(compared(of_files, *sizes))
    for part, numbers in again.items():
        answer.count("numbers computed again", len(list(_leaves(numbers))))
        _compare(answer, f"{FOLDER}/{METRICS} {part}", f"{FOLDER}/{RUNS}", numbers, there.get(part))


def _compare(answer: Answer, where: str, record: str, again: Any, there: Any) -> None:
    """Name every number that differs between two numbers, or two values of nested dicts and lists."""
    wanted, found = dict(_leaves(again)), dict(_leaves(there))
    for name in sorted({*wanted, *found}):
        one, other = wanted.get(name), found.get(name)
        if not (isinstance(one, int | float) and isinstance(other, int | float) and _close(one, other)):
            shown = [None if value is None else repr(value) for value in (one, other)]
            answer.compare(f"{where} {name}".strip(), record, *shown)


def _close(one: float, other: float) -> bool:
    """Whether two numbers may differ only because they were added up in another order."""
    return abs(one - other) <= CLOSE * max(1.0, abs(one))


def _leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if hasattr(value, "__dataclass_fields__"):
        value = asdict(value)
    if not isinstance(value, Mapping | list):
        yield name, value
        return
    for key, one in value.items() if isinstance(value, Mapping) else enumerate(value):
        yield from _leaves(one, f"{name}/{key}" if name else str(key))
