"""The scores computed again: rankings from the vectors, per-query values from the rankings, all numbers from those."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from tasks.audit.verify.answer import Answer
from tasks.audit.verify.rankings import FOLDER, check_rankings, shown
from tasks.audit.verify.state import State, laid_out
from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.fusion import compared
from tasks.evaluate.measures import PerQuery, headline, means, per_query
from tasks.evaluate.rankings import read_views
from tasks.evaluate.significance import comparisons, interval
from tasks.evaluate.slices import slices
from tasks.lineage.model import Execution
from tasks.shared.artifacts import scores as artifact
from tasks.shared.artifacts.corpus import Qrels, positives_of, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.fusion import run_name
from tasks.shared.artifacts.runs import RUNS, read_run
from tasks.shared.artifacts.scores import HEADLINE, METRICS, PER_QUERY, read_per_query
from tasks.shared.artifacts.types import Run
from tasks.shared.artifacts.vectors import VIEWS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json

CLOSE = 1e-9  # another machine adds in another order


def check_scores(state: State, answer: Answer, references: Mapping[str, Execution]) -> None:
    """Compute what the evaluate stage wrote again and compare it; what cannot be read is a note."""
    manifest = references.get("evaluate")
    if manifest is None:
        answer.note("not checked", "scores", f"{FOLDER} has no manifest to tell how they were computed")
        return
    with laid_out(state, "corpus", "transcribe", "encode", "evaluate") as results:
        folder = results / "evaluate"
        for what, check in (("rankings", check_rankings), ("scores", _numbers)):
            try:
                runs = {
                    name: read_run(name, folder)
                    for name in artifact.SYSTEMS
                    if (folder / RUNS / f"{name}.trec").is_file()
                }
                check(answer, manifest, results, runs)
            except (UserError, KeyError, TypeError, ValueError, AttributeError) as error:
                answer.note("not checked", f"{what} computed again", " ".join(str(error).split())[:300])


def _numbers(answer: Answer, manifest: Execution, results: Path, runs: dict[str, Run]) -> None:
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
        answer.find(kind, f"{where}{name and ' '}{name}", record, shown(one), shown(other))


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
