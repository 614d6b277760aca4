"""The evaluate stage: rankings of the test videos, what they score, and how sure the differences are.

Systems: `tuned` and `base` by exact search over their vectors, `text_dense` and `bm25` over the same documents'
text. All rank the videos of the test split. A corpus without test judgments gets its rankings and no numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tasks.evaluate.measures import PerQuery, headline, means, per_query
from tasks.evaluate.rankings import encoded, of_text
from tasks.evaluate.significance import comparisons, interval
from tasks.evaluate.slices import slices
from tasks.evaluate.table import table
from tasks.shared.artifacts.corpus import Qrels, Query, Video, positives_of, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.publish import RESULTS
from tasks.shared.artifacts.scores import (
    HEADLINE,
    METRICS,
    RUNS,
    SYSTEMS,
    SYSTEMS_TABLE,
    QueryScores,
    Run,
    Scores,
    slice_metrics,
    write_per_query,
    write_run,
    write_scores,
)
from tasks.shared.params import Params
from tasks.shared.progress import progress
from tasks.shared.stage import StageRun

CORPUS = RESULTS / "corpus"


def run(stage: StageRun) -> None:
    """Write runs, per-query values, `metrics.json` and `systems.csv`, and print the table."""
    params = stage.params
    videos = read_videos(CORPUS / "manifest.parquet", "test")
    queries = read_queries(CORPUS / "queries.parquet", "test")
    qrels = read_qrels(CORPUS / "qrels.test.trec")
    (stage.out / RUNS).mkdir()
    runs: dict[str, Run] = {}
    unencoded, retriever = 0, None
    if queries:
        ours, unencoded = encoded(videos, queries, params.evaluate.depth)
        theirs, retriever = of_text(videos, queries, params, stage.take_gpus)
        runs = {name: {**ours, **theirs}[name] for name in SYSTEMS if name in ours or name in theirs}
    for name, ranking in runs.items():
        write_run(stage.out, name, ranking)
    scored = [query for query in queries if positives_of(qrels, query.query_id)]
    judged = {query.query_id: qrels[query.query_id] for query in scored}
    values = {name: per_query(ranking, judged) for name, ranking in runs.items()} if judged else {}
    scores = _scores(params, videos, queries, scored, judged, runs, values, retriever)
    write_per_query(
        stage.out,
        [QueryScores(query_id, name, one) for name, of_system in values.items() for query_id, one in of_system.items()],
    )
    write_scores(stage.out, scores)
    print(table(scores) if scores.systems else f"evaluate: {scores.note}")
    if scores.queries_without_positives and scores.systems:
        print(f"left out: {scores.queries_without_positives} queries without a relevant video")
    stage.artifacts = [METRICS, SYSTEMS_TABLE, RUNS]
    stage.counts = {
        "videos": len(videos),
        "queries": len(queries),
        "queries_without_positives": scores.queries_without_positives,
        "videos_without_vectors": unencoded,
    }
    stage.metrics = {f"{name}/{measure}": one for name, of in scores.systems.items() for measure, one in of.items()}
    stage.metrics |= {f"p_holm/{name}": test.p_holm for name, test in scores.tests.items()}
    stage.metrics |= slice_metrics(scores.slices)


def _scores(
    params: Params,
    videos: Sequence[Video],
    queries: Sequence[Query],
    scored: Sequence[Query],
    qrels: Qrels,
    runs: Mapping[str, Run],
    values: Mapping[str, PerQuery],
    retriever: dict[str, str | None] | None,
) -> Scores:
    note = None
    if not queries:
        note = "the corpus has no test query: nothing to rank and nothing to score"
    elif not scored:
        note = "no test query has a judged positive: the rankings are written, there is nothing to score them by"
    sure = partial(interval, resamples=params.evaluate.bootstrap, seed=params.run.seed)
    return Scores(
        queries=len(scored),
        videos=len(videos),
        queries_without_positives=len(queries) - len(scored),
        systems={name: means(one) for name, one in values.items()},
        intervals={
            name: {HEADLINE: sure(headline(one))} for name, one in progress(values.items(), "intervals", unit="system")
        },
        tests=comparisons(values, params.evaluate.permutations, params.run.seed),
        slices=slices(scored, videos, qrels, runs, values, sure) if values else {},
        note=note,
        retriever=retriever,
    )
