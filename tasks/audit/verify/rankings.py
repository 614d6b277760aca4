"""Rankings computed again from what was ranked, compared with those that evaluation wrote."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.rows import opened
from tasks.evaluate.fusion import fuse_system
from tasks.evaluate.rankings import texts_of
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores as artifact
from tasks.shared.artifacts.corpus import read_qrels, read_queries, read_videos
from tasks.shared.artifacts.fusion import run_name
from tasks.shared.artifacts.index import DATABASE, read_index_manifest
from tasks.shared.artifacts.runs import RUNS, read_run
from tasks.shared.artifacts.types import FUSIONS, Run
from tasks.shared.artifacts.vectors import SYSTEMS, Vectors, read_vectors
from tasks.shared.retrieval.bm25 import BM25
from tasks.shared.retrieval.search import search

FOLDER = artifact.FOLDER.as_posix()
CLOSE = 2e-6  # two float32 that may have been rounded apart: cosines, and of larger scores so much of each


def check_rankings(answer: Answer, manifest: Execution, results: Path, runs: dict[str, Run]) -> None:
    """tuned and base by exact search, the final system from the index's rows and the other from its vectors, and by
    fusion, from vectors of single modalities; bm25 from the documents' text."""
    depth, folder = manifest.param("evaluate.depth"), results / "encode" / "vectors"
    final = read_index_manifest(results / "encode").encoding.system
    for system in [one for one in SYSTEMS if one in runs]:
        asked = read_vectors(system, "queries", folder)
        documents = _rows(results) if system == final else read_vectors(system, "videos", folder)
        source = "results/encode/lancedb" if system == final else f"results/encode/vectors/{system}.videos.parquet"
        _run(answer, system, source, search(asked, documents, depth), runs[system], depth)
        _fused_rankings(answer, manifest, results, system)
    if "bm25" in runs:
        queries = read_queries(results / "corpus" / "queries.parquet", "test")
        videos = read_videos(results / "corpus" / "manifest.parquet", "test")
        texts = texts_of(videos, manifest.param("document.test_text"), results / "transcribe")
        again = BM25(texts).search({one.query_id: one.text for one in queries}, depth)
        _run(answer, "bm25", "results/corpus, results/transcribe", again, runs["bm25"], depth)
    if "text_dense" in runs:
        what = "its vectors are not kept, so its ranking is taken as it is: only what it scores is computed again"
        answer.note("not checked", "text_dense", what)


def _fused_rankings(answer: Answer, manifest: Execution, results: Path, system: str) -> None:
    """By the methods of which there is a ranking, from the vectors of single modalities."""
    evaluated = results / "evaluate"
    methods = [one for one in FUSIONS if (evaluated / RUNS / f"{run_name(system, one)}.trec").is_file()]
    if not methods:
        return
    modalities = manifest.param("encode.modalities")
    given, depth = manifest.param("evaluate.weights"), manifest.param("evaluate.depth")
    training = read_qrels(results / "corpus" / "qrels.train.trec")
    vectors = results / "encode" / "vectors"
    again = fuse_system(system, methods, modalities, given, training, depth, vectors).runs
    sources = ", ".join(f"results/encode/vectors/{system}.videos.{one}.parquet" for one in modalities)
    for method in methods:
        name = run_name(system, method)
        _run(answer, name, sources, again.get(method, {}), read_run(name, evaluated), depth)


def _run(answer: Answer, name: str, source: str, again: Run, there: Run, depth: int) -> None:
    for query_id in sorted({*again, *there}):
        answer.count("rankings computed again")
        where = f"{FOLDER}/{RUNS}/{name}.trec query {query_id}"
        _ranking(answer, where, source, again.get(query_id, {}), there.get(query_id, {}), depth)


def _rows(results: Path) -> Vectors:
    """The vectors of the index's rows."""
    import numpy as np

    table, _, _ = opened(results / "encode" / DATABASE)
    column = table.column("vector").combine_chunks()
    values = np.asarray(column.flatten(), dtype=np.float32).reshape(table.num_rows, -1)
    return Vectors(table.column("video_id").to_pylist(), values)


def _ranking(
    answer: Answer, where: str, source: str, again: dict[str, float], there: dict[str, float], depth: int
) -> None:
    lowest = min(again.values(), default=0.0)
    lowest = lowest + _close(lowest) if len(again) == depth else -math.inf
    for video_id in sorted({*again, *there}):
        mine, theirs = again.get(video_id), there.get(video_id)
        if mine is None or theirs is None:
            score = theirs if mine is None else mine
            if score is not None and score <= lowest:
                continue  # at the cut, where equal scores may fall either way
            kind: Any = "extra" if mine is None else "missing"
            answer.find(kind, f"{where} video {video_id}", source, shown(mine), shown(theirs))
        elif not abs(mine - theirs) <= _close(mine):
            answer.find("altered", f"{where} video {video_id}", source, shown(mine), shown(theirs))


def _close(score: float) -> float:
    """How far another computation of a score may be from it."""
    return CLOSE * max(1.0, abs(score))


def shown(value: object) -> str | None:
    """As findings have it; nothing is None."""
    return None if value is None else repr(value)
