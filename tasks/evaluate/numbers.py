"""All numbers that follow from rankings and judgments: what every query scores, means, intervals, tests, slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from tasks.evaluate.measures import PerQuery, headline, means, per_query
from tasks.evaluate.significance import comparisons, interval
from tasks.evaluate.slices import slices
from tasks.shared.artifacts.corpus import Qrels, Query, Video, positives_of
from tasks.shared.artifacts.scores import HEADLINE, Scores
from tasks.shared.artifacts.types import Run
from tasks.shared.runtime.progress import progress


def numbers(
    videos: Sequence[Video],
    queries: Sequence[Query],
    qrels: Qrels,
    runs: Mapping[str, Run],
    bootstrap: int,
    permutations: int,
    seed: int,
) -> tuple[Scores, dict[str, PerQuery], Qrels]:
    """The scores of the systems' rankings, what every query scores by system, and the judgments of these queries: those
    of the test split that have a relevant video."""
    scored = [query for query in queries if positives_of(qrels, query.query_id)]
    judged = {query.query_id: qrels[query.query_id] for query in scored}
    values = {name: per_query(ranking, judged) for name, ranking in runs.items()} if judged else {}
    sure = partial(interval, resamples=bootstrap, seed=seed)
    shown = progress(values.items(), "intervals", unit="system")
    scores = Scores(
        queries=len(scored),
        videos=len(videos),
        queries_without_positives=len(queries) - len(scored),
        systems={name: means(one) for name, one in values.items()},
        intervals={name: {HEADLINE: sure(headline(one))} for name, one in shown},
        tests=comparisons(values, permutations, seed),
        slices=slices(scored, videos, judged, runs, values, sure) if values else {},
    )
    return scores, values, judged
