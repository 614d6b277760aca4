"""The evaluate stage: rankings of the test videos, their scores, intervals and tests of the differences.

Systems: `tuned` and `base` by exact search over their vectors, `text_dense` and `bm25` over the same documents'
text. All rank the videos of the test split. A corpus without test judgments gets its rankings and no numbers. Where
`evaluate.directions` asks for it, tuned and base also find text, picture and sound of the same videos by each other;
where `evaluate.fusion` names more than the joint vector, they also rank by a vector for each modality.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tasks.evaluate.directions import direction_ranks, directions
from tasks.evaluate.fusion import fuse, fusion
from tasks.evaluate.numbers import numbers
from tasks.evaluate.rankings import encoded, of_text, read_views, texts_of
from tasks.evaluate.table import directions_table, fusion_table, table
from tasks.shared.artifacts.corpus import Query, read_qrels, read_queries, read_videos
from tasks.shared.artifacts.directions import Ranked, write_ranked
from tasks.shared.artifacts.fusion import FusedQuery, run_name, write_fused
from tasks.shared.artifacts.runs import RUNS, write_run
from tasks.shared.artifacts.scores import SYSTEMS, QueryScores, as_metrics, write_per_query, write_scores
from tasks.shared.artifacts.types import RESULTS, Run
from tasks.shared.artifacts.vectors import VIEWS
from tasks.shared.execution.params import Params
from tasks.shared.execution.plan import Plan
from tasks.shared.execution.stage import StageRun

CORPUS = RESULTS / "corpus"


def plan(params: Params, root: Path = RESULTS) -> list[Plan[list[str]]]:
    """What there is to encode for the dense text baseline, out of the tables of a results folder."""
    from tasks.shared.retrieval.dense import DenseRetriever

    videos = read_videos(root / "corpus" / "manifest.parquet", "test")
    queries = read_queries(root / "corpus" / "queries.parquet", "test")
    texts = texts_of(videos, params.document.test_text, root / "transcribe")
    if not queries or not texts:
        return []
    retriever = DenseRetriever(params.retriever, params.run.threads, lambda: None)
    return retriever.plans({query.query_id: query.text for query in queries}, texts)


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
    sizes = params.evaluate.bootstrap, params.evaluate.permutations, params.run.seed
    scores, values, judged = numbers(videos, queries, qrels, runs, *sizes)
    scores = replace(scores, note=None if judged else _why(queries), retriever=retriever)
    found = direction_ranks(read_views(VIEWS)) if params.evaluate.directions else {}
    triples = ((system, name, ranks) for system, of in found.items() for name, ranks in of.items())
    write_ranked(stage.out, [Ranked(system, name, *one) for system, name, ranks in triples for one in ranks.items()])
    if params.evaluate.directions:
        scores = replace(scores, directions=directions(found, *sizes))
    rows: list[FusedQuery] = []
    if queries and params.evaluate.fusion != ["joint"]:
        fusing = fuse(params, read_qrels(CORPUS / "qrels.train.trec"))
        for system, one in fusing.items():
            for method, ranking in one.runs.items():
                write_run(stage.out, run_name(system, method), ranking)
        if judged:
            side_by_side, rows = fusion(fusing, values, judged, params)
            scores = replace(scores, fusion=side_by_side)
    write_fused(stage.out, rows)
    scored = (QueryScores(query_id, name, one) for name, of in values.items() for query_id, one in of.items())
    write_per_query(stage.out, scored)
    write_scores(stage.out, scores)
    print(table(scores) if scores.systems else f"evaluate: {scores.note}")
    if scores.directions:
        print(f"\n{directions_table(scores.directions)}")
    if scores.fusion:
        print(f"\n{fusion_table(scores.fusion)}")
    if scores.queries_without_positives and scores.systems:
        print(f"left out: {scores.queries_without_positives} queries without a relevant video")
    stage.counts = {
        "videos": len(videos),
        "queries": len(queries),
        "queries_without_positives": scores.queries_without_positives,
        "videos_without_vectors": unencoded,
    }
    stage.metrics = as_metrics(scores)


def _why(queries: Sequence[Query]) -> str:
    """Why there is nothing to score."""
    if not queries:
        return "the corpus has no test query: nothing to rank and nothing to score"
    return "no test query has a judged positive: the rankings are written, there is nothing to score them by"
