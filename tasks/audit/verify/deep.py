"""The scores computed again: rankings from the vectors, per-query values from the rankings, all numbers from those."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tasks.audit.manifest import Manifest
from tasks.audit.verify.answer import Answer
from tasks.audit.verify.rows import opened
from tasks.audit.verify.state import State, laid_out
from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.fusion import compared, fuse_system
from tasks.evaluate.measures import PerQuery, headline, means, per_query
from tasks.evaluate.rankings import read_views
from tasks.evaluate.significance import comparisons, interval
from tasks.evaluate.slices import slices
from tasks.shared.artifacts import scores as artifact
from tasks.shared.artifacts.corpus import Qrels, positives_of, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.fusion import run_name
from tasks.shared.artifacts.index import DATABASE, read_index_manifest
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, RUNS, Run, read_per_query, read_run
from tasks.shared.artifacts.vectors import SYSTEMS, VIEWS, Vectors, read_vectors
from tasks.shared.errors import UserError
from tasks.shared.files import read_json
from tasks.shared.params import FUSIONS
from tasks.shared.retrieval.search import search

FOLDER = artifact.FOLDER.as_posix()
CLOSE = 1e-9  # another machine adds in another order
SCORE = 2e-6  # two float32 of a cosine that may have been rounded apart


def check_scores(state: State, answer: Answer, references: Mapping[str, Manifest]) -> None:
    """Compute what the evaluate stage wrote again and compare it; what cannot be read is a note."""
    manifest = references.get("evaluate")
    if manifest is None:
        answer.note("not checked", "scores", f"{FOLDER} has no manifest to tell how they were computed")
        return
    with laid_out(state, "corpus", "encode", "evaluate") as results:
        folder = results / "evaluate"
        for what, check in (("rankings", _rankings), ("scores", _numbers)):
            try:
                runs = {
                    name: read_run(name, folder)
                    for name in artifact.SYSTEMS
                    if (folder / RUNS / f"{name}.trec").is_file()
                }
                check(answer, manifest, results, runs)
            except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
                answer.note("not checked", f"{what} computed again", " ".join(str(error).split())[:300])


def _rankings(answer: Answer, manifest: Manifest, results: Path, runs: dict[str, Run]) -> None:
    """tuned and base by exact search, the final system from the index's rows and the other from its vectors, and by
    fusion, from vectors of single modalities."""
    depth, folder = manifest.param("evaluate.depth"), results / "encode" / "vectors"
    final = read_index_manifest(results / "encode").encoding.system
    for system in [one for one in SYSTEMS if one in runs]:
        asked = read_vectors(system, "queries", folder)
        documents = _rows(results) if system == final else read_vectors(system, "videos", folder)
        source = "results/encode/lancedb" if system == final else f"results/encode/vectors/{system}.videos.parquet"
        _run(answer, system, source, search(asked, documents, depth), runs[system], depth)
        _fused_rankings(answer, manifest, results, system)
    if others := sorted({*runs} - {*SYSTEMS}):
        what = "their rankings are taken as they are: only what they score is computed again"
        answer.note("not checked", ", ".join(others), what)


def _fused_rankings(answer: Answer, manifest: Manifest, results: Path, system: str) -> None:
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
    lowest = min(again.values(), default=0.0) + SCORE if len(again) == depth else -math.inf
    for video_id in sorted({*again, *there}):
        mine, theirs = again.get(video_id), there.get(video_id)
        if mine is None or theirs is None:
            score = theirs if mine is None else mine
            if score is not None and score <= lowest:
                continue  # at the cut, where equal scores may fall either way
            kind: Any = "extra" if mine is None else "missing"
            answer.find(kind, f"{where} video {video_id}", source, _text(mine), _text(theirs))
        elif not abs(mine - theirs) <= SCORE:
            answer.find("altered", f"{where} video {video_id}", source, _text(mine), _text(theirs))


def _numbers(answer: Answer, manifest: Manifest, results: Path, runs: dict[str, Run]) -> None:
    """What every query scores, and all numbers of metrics.json, from the rankings and the judgments."""
    corpus = results / "corpus"
    qrels = read_qrels(corpus / "qrels.test.trec")
    queries = read_queries(corpus / "queries.parquet", "test")
    scored = [query for query in queries if positives_of(qrels, query.query_id)]
    judged = {query.query_id: qrels[query.query_id] for query in scored}
    values = {name: per_query(run, judged) for name, run in runs.items()} if judged else {}
    rows = {(one.query_id, one.system): one.values for one in read_per_query(results / "evaluate")}
    mine = {(query_id, name): one for name, of in values.items() for query_id, one in of.items()}
    for query_id, name in sorted({*rows, *mine}):
        answer.count("per-query scores computed again")
        where = f"{FOLDER}/{PER_QUERY} query {query_id} system {name}"
        _differences(answer, where, f"{FOLDER}/{RUNS}", mine.get((query_id, name)), rows.get((query_id, name)))
    videos = read_videos(corpus / "manifest.parquet", "test")
    seed = manifest.param("run.seed")
    sure = partial(interval, resamples=manifest.param("evaluate.bootstrap"), seed=seed)
    parts = slices(scored, videos, judged, runs, values, sure) if values else {}
    tests = comparisons(values, manifest.param("evaluate.permutations"), seed)
    again = {
        "queries": len(scored),
        "videos": len(videos),
        "queries_without_positives": len(queries) - len(scored),
        "systems": {name: means(one) for name, one in values.items()},
        "intervals": {name: {HEADLINE: sure(headline(one))} for name, one in values.items()},
        "tests": {name: asdict(one) for name, one in tests.items()},
        "slices": {facet: {value: asdict(one) for value, one in some.items()} for facet, some in parts.items()},
    }
    there = read_json(results / "evaluate" / METRICS)
    sizes = manifest.param("evaluate.bootstrap"), manifest.param("evaluate.permutations"), seed
    if "directions" in there:
        ranks = direction_ranks(read_views(VIEWS, results / "encode" / "vectors"))
        again["directions"] = asdict(directions(ranks, *sizes))
    if "fusion" in there:
        of_files = {
            system: {method: _fused(results, system, method, values, judged) for method in of}
            for system, of in there["fusion"]["systems"].items()
        }
        again["fusion"] = there["fusion"] | asdict(compared(of_files, *sizes))
    for part, numbers in again.items():
        answer.count("numbers computed again", len(list(_leaves(numbers, ""))))
        _differences(answer, f"{FOLDER}/{METRICS} {part}", f"{FOLDER}/{RUNS}", numbers, there.get(part))


def _fused(results: Path, system: str, method: str, values: Mapping[str, PerQuery], judged: Qrels) -> PerQuery:
    """What a method's ranking scores; that of joint is the system's own."""
    if method == "joint":
        return values[system]
    return per_query(read_run(run_name(system, method), results / "evaluate"), judged)


def _differences(answer: Answer, where: str, record: str, mine: Any, theirs: Any) -> None:
    """Name every number that differs between two values of nested dicts and lists."""
    wanted, found = dict(_leaves(mine, "")), dict(_leaves(theirs, ""))
    for name in sorted({*wanted, *found}):
        one, other = wanted.get(name), found.get(name)
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        if one == other or (numbers and math.isclose(one, other, rel_tol=CLOSE, abs_tol=CLOSE)):  # type: ignore[arg-type]
            continue
        kind: Any = "missing" if other is None else "extra" if one is None else "altered"
        answer.find(kind, f"{where}{name and ' '}{name}", record, _text(one), _text(other))


def _leaves(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        inner: Any = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        yield name, value
        return
    for key, one in inner:
        yield from _leaves(one, f"{name}/{key}" if name else str(key))


def _text(value: object) -> str | None:
    return None if value is None else repr(value)
