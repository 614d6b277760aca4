"""Where candidates come from: for every training query a ranking of training videos, and its positives' own scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.shared.artifacts.scores import Run
from tasks.shared.files import sha256_json
from tasks.shared.params import Params


@dataclass(frozen=True)
class Candidates:
    """By query id: the videos retrieved with their scores, best first; and the scores of the positives.

    `retriever` identifies the model that made them, where one did.
    """

    rankings: Run
    positives: Run
    retriever: dict[str, str | None] | None = None


def dense(
    queries: Mapping[str, str], texts: Mapping[str, str], judged: Mapping[str, Sequence[str]], params: Params
) -> Candidates:
    """Candidates of the text retriever: exact inner product over normalised vectors."""
    from tasks.shared.retrieval.dense import DenseRetriever
    from tasks.shared.retrieval.search import search, similarities

    retriever = DenseRetriever(params.retriever)
    asked, said = retriever.queries(queries), retriever.documents(texts)
    return Candidates(
        search(asked, said, params.mine.depth),
        similarities(asked, said, judged),
        retriever.identity(),
    )


def bm25(
    queries: Mapping[str, str], texts: Mapping[str, str], judged: Mapping[str, Sequence[str]], params: Params
) -> Candidates:
    """Candidates that share a word with the query."""
    from tasks.shared.retrieval.bm25 import BM25

    index = BM25(texts)
    return Candidates(index.search(queries, params.mine.depth), index.similarities(queries, judged))


def random(queries: Mapping[str, str], video_ids: Sequence[str], depth: int, seed: int) -> Candidates:
    """A uniform draw without replacement for every query, whatever the other queries are; scores are 0."""
    rankings = {}
    for query_id in queries:
        rng = np.random.default_rng(int(sha256_json(["mine", seed, query_id]), 16))
        drawn = rng.permutation(len(video_ids))[:depth]
        rankings[query_id] = {video_ids[index]: 0.0 for index in drawn}
    return Candidates(rankings, {})
