"""Fusion at search time: a video has a vector for each modality, and what each says of a query is made one score.

Scores of different modalities cannot be added as they are: a text is nearer to any text than to any picture. So for
every query a modality's inner products are standardised over the videos that have it (zero mean, unit variance:
Montague and Aslam, CIKM 2001). A video that lacks a modality gets 0 there, the average: that is evidence neither for
it nor against it. Then

- `weights`, `entropy`, `routed`: the weighted sum of the standardised scores. The weights are those of the params;
  or for every query 1/H of each modality, H being the entropy of the softmax of its standardised scores over its
  videos, divided by the logarithm of their number (inverse entropy: Q2E, Roy Dipta and Ferraro, arXiv 2506.10202, there
  over normalised similarities); or predicted from the query's vector (`methods.py`). They sum to 1.
- `rrf`: the sum of 1 / (60 + rank) over the modalities that the video has (Cormack, Clarke and Büttcher, SIGIR 2009).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from tasks.shared.artifacts.types import Run
from tasks.shared.artifacts.vectors import Vectors
from tasks.shared.retrieval.search import CHUNK, check, products, ranked
from tasks.shared.runtime.progress import progress

K = 60  # of reciprocal rank fusion
BLOCK = 64  # queries whose scores of all videos are held at once


@dataclass(frozen=True)
class ByModality:
    """What every modality says of some queries."""

    queries: np.ndarray  # float32 (q, dim)
    scores: np.ndarray  # products, float64 (modalities, q, n), videos by descending id; NaN: the video lacks it


FuseScores = Callable[[ByModality], np.ndarray]  # (q, n): the higher, the better
Weighting = Callable[[ByModality], np.ndarray]  # (q, modalities): rows sum to 1


def fused(
    queries: Vectors, views: Mapping[str, Vectors], methods: Mapping[str, FuseScores], depth: int, block: int = BLOCK
) -> dict[str, Run]:
    """Rankings by method, as `search` has them, of every video that has at least one modality. `views` has by modality
    the vectors of the videos that have it; `depth` is the length of a ranking, `block` how many queries are scored at
    once. Raises UserError where dimensions differ or a vector is not finite."""
    ids = video_ids(views)
    runs: dict[str, Run] = {name: {} for name in methods}
    for start, some in _blocks(queries, views, block):
        for name, fuse in methods.items():
            values = fuse(some).astype(np.float32)
            runs[name] |= {
                query_id: ranked(ids, row, depth)
                for query_id, row in zip(queries.ids[start : start + block], values, strict=True)
            }
    return runs


def weights_of(queries: Vectors, views: Mapping[str, Vectors], weighting: Weighting, block: int = BLOCK) -> np.ndarray:
    """The weights that every query gives the modalities, float64 (q, modalities)."""
    found = [weighting(some) for _, some in _blocks(queries, views, block)]
    return np.concatenate(found) if found else np.zeros((0, len(views)))


def video_ids(views: Mapping[str, Vectors]) -> list[str]:
    """The videos that have at least one modality, in descending order: that in which equal scores rank."""
    return sorted({one for vectors in views.values() for one in vectors.ids}, reverse=True)


def _blocks(queries: Vectors, views: Mapping[str, Vectors], block: int) -> Iterator[tuple[int, ByModality]]:
    place_of = {one: place for place, one in enumerate(video_ids(views))}
    places = [[place_of[one] for one in vectors.ids] for vectors in views.values()]
    for vectors in views.values():
        if vectors.ids and queries.ids:
            check(queries, vectors)
    for start in progress(range(0, len(queries.ids), block), "fusion", unit="block"):
        asked = queries.values[start : start + block]
        scores = np.full((len(views), len(asked), len(place_of)), np.nan)
        for number, vectors in enumerate(views.values()):
            rows = max(1, CHUNK // max(1, vectors.values.shape[1]))
            for first in range(0, len(vectors.ids), rows):
                chunk = slice(first, first + rows)
                scores[number][:, places[number][chunk]] = products(asked, vectors.values[chunk])
        yield start, ByModality(asked, scores)


def standardised(scores: np.ndarray) -> np.ndarray:
    """Zero mean and unit variance along the last axis over what is not NaN; 0 for NaN and where nothing varies."""
    there = ~np.isnan(scores)
    count = np.maximum(there.sum(axis=-1, keepdims=True), 1)
    centred = np.where(there, scores - np.where(there, scores, 0).sum(axis=-1, keepdims=True) / count, 0)
    spread = np.sqrt((centred**2).sum(axis=-1, keepdims=True) / count)
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-12)


def weighted(weighting: Weighting) -> FuseScores:
    """The sum of standardised scores, each times its modality's weight."""
    return lambda some: np.einsum("mqn,qm->qn", standardised(some.scores), weighting(some))


def by_rank(some: ByModality) -> np.ndarray:
    """Reciprocal rank fusion."""
    ranks = np.empty(some.scores.shape)
    order = np.argsort(-some.scores, axis=-1, kind="stable")  # NaN last
    np.put_along_axis(ranks, order, np.arange(1.0, some.scores.shape[-1] + 1), axis=-1)
    return np.where(np.isnan(some.scores), 0.0, 1 / (K + ranks)).sum(axis=0)


def fixed(weights: Mapping[str, float], modalities: list[str]) -> Weighting:
    """The same weights for every query."""
    chosen = np.array([weights[one] for one in modalities])
    return lambda some: np.tile(chosen / chosen.sum(), (len(some.queries), 1))


def by_entropy(some: ByModality) -> np.ndarray:
    """1/H for every query and modality; 0 for a modality that no video has."""
    there = ~np.isnan(some.scores)
    count = there.sum(axis=-1)
    likely = np.where(there, np.exp(standardised(some.scores)), 0)
    likely /= np.maximum(likely.sum(axis=-1, keepdims=True), 1e-300)
    entropy = -np.sum(likely * np.log(np.where(likely > 0, likely, 1)), axis=-1)
    # the entropy over a single video says nothing: it counts as if all scores were the same
    share = np.divide(entropy, np.log(np.maximum(count, 2)), out=np.ones_like(entropy), where=count > 1)
    sure = np.where(count > 0, 1 / share, 0).T
    return sure / sure.sum(axis=1, keepdims=True)
