"""Where candidates come from: for every training query a ranking of training videos, and its positives' own scores."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tasks.shared.artifacts.corpus import Video
from tasks.shared.artifacts.models import base_system
from tasks.shared.artifacts.types import Run
from tasks.shared.execution.failures import Failure
from tasks.shared.execution.items import CacheHits
from tasks.shared.execution.params import Params
from tasks.shared.runtime.files import sha256_json


@dataclass(frozen=True)
class Candidates:
    """What a source found."""

    rankings: Run  # by query id, the videos retrieved, best first
    positives: Run  # by query id, the scores of the positives
    retriever: dict[str, Any] | None = None  # identifies the model
    failures: list[Failure] = field(default_factory=list)  # videos that it could not read
    counts: dict[str, int] = field(default_factory=dict)  # of videos that it left out, by why
    reused: CacheHits | None = None  # vectors out of the item store


def dense(
    queries: Mapping[str, str],
    texts: Mapping[str, str],
    judged: Mapping[str, Sequence[str]],
    params: Params,
    take_gpus: Callable[[], object],
) -> Candidates:
    """Candidates of the text retriever: exact inner product over normalised vectors. Prints the retriever's licence."""
    from tasks.shared.retrieval.dense import DenseRetriever
    from tasks.shared.retrieval.search import search, similarities
    from tasks.shared.runtime.hub import format_licence, licence_of

    retriever = DenseRetriever(params.retriever, params.run.threads, take_gpus)
    if licence := licence_of(retriever.model):
        print(f"mine: {format_licence(retriever.model.name, licence)}")
    query_vectors, video_vectors = retriever.queries(queries), retriever.documents(texts)
    return Candidates(
        search(query_vectors, video_vectors, params.mine.depth),
        similarities(query_vectors, video_vectors, judged),
        retriever.identity() | {"licence": licence},
        reused=CacheHits(retriever.reused, retriever.asked, "vector"),
    )


def omni(
    queries: Mapping[str, str],
    videos: Sequence[Video],
    judged: Mapping[str, Sequence[str]],
    params: Params,
    take_gpus: Callable[[int], list[str]],
) -> Candidates:
    """Candidates of the base system over the chosen modalities of the videos: exact inner product. A video that has
    none of them can be no candidate, and as a positive has no score."""
    from tasks.omni.documents import read_documents
    from tasks.omni.encoder import encode
    from tasks.omni.plan import encoding_of
    from tasks.shared.retrieval.search import search, similarities

    read = read_documents(videos, params.mine.modalities, params.document.train_text)
    counts = {"not_extracted": len(read.not_extracted), "without_chosen_modalities": len(read.without)}
    if not queries or not read.found:
        return Candidates({}, {}, counts=counts | {"failed": 0})
    system = base_system()
    encoding = encoding_of(system, params, params.train.max_query_tokens)
    encoded = encode(
        system, encoding, read.found.values(), queries,
        threads=params.run.threads, processes=params.encode.processes, take_gpus=take_gpus,
    )  # fmt: skip
    return Candidates(
        search(encoded.queries, encoded.videos, params.mine.depth),
        similarities(encoded.queries, encoded.videos, judged),
        {
            "system": system.name,
            "model": system.model,
            "revision": system.revision,
            "adapter": system.adapter,
            "adapter_revision": system.adapter_revision,
            "digest": encoding.checkpoint,
            "dtype": encoding.dtype,
            "modalities": params.mine.modalities,
        },
        encoded.failures,
        counts | {"failed": len(encoded.failures)},
        CacheHits(encoded.reused, encoded.items, "vector"),
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
