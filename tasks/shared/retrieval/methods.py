"""The methods of fusion by their names in params, for rankings by vectors of single modalities; and routing.

Routing predicts from its vector in which modality a query should be looked for, and is learnt on training queries.

A training query's target is, for every modality, the reciprocal rank of its best positive among the training videos
when that modality alone is searched, divided by the sum over modalities. Ridge regression (Hoerl and Kennard 1970)
predicts the targets from the query's vector; its penalty is the power of ten with the least leave-one-out error, which
has a closed form (Allen's PRESS, 1974). With little to learn from, the penalty is high and every query gets the mean
target. A model that was trained on these same queries ranks them better than it will rank others: what is learnt is
which modality, not how well.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.shared.artifacts.corpus import Qrels, positives_of
from tasks.shared.artifacts.vectors import Kind, Vectors, read_vectors
from tasks.shared.retrieval.fusion import FuseScores, Weighting, by_entropy, by_rank, fixed, weighted
from tasks.shared.retrieval.search import search
from tasks.shared.runtime.errors import UserError

LEAST = 30  # training queries; with fewer nothing is learnt
PENALTIES = tuple(10.0**power for power in range(3, -4, -1))


def read_modalities(system: str, kind: Kind, modalities: Sequence[str], folder: Path) -> dict[str, Vectors]:
    """By modality, a system's vectors of videos that show nothing else. Raises UserError where they are missing."""
    return {one: read_vectors(system, kind, folder, view=one) for one in modalities}


def make_weighting(
    method: str, system: str, modalities: list[str], given: Mapping[str, float], training: Qrels, folder: Path
) -> Weighting | None:
    """How a method (weights, entropy, routed) weighs modalities; None for one that weighs none. `given` are the weights
    of method weights; routing is learnt from the system's training queries in `folder` and `training`, their judgments.
    Raises UserError where no modality is given any weight, and TooFewError."""
    if method == "weights":
        if not sum(given[one] for one in modalities):
            raise UserError(f"evaluate.weights gives nothing to {', '.join(modalities)}; let one be above 0")
        return fixed(given, modalities)
    if method == "routed":
        known = read_modalities(system, "training_videos", modalities, folder)
        asked, wanted = targets(read_vectors(system, "training_queries", folder), known, training)
        if (router := learn(asked, wanted, modalities)) is None:
            raise TooFewError(f"nothing is routed: {len(asked)} training queries to learn from, and it takes {LEAST}")
        return lambda some: router.weights(some.queries)
    return by_entropy if method == "entropy" else None


class TooFewError(UserError):
    """There is too little to learn routing from."""


def make_fusion(weighting: Weighting | None) -> FuseScores:
    """The fusion with these weights; reciprocal rank fusion where there are none."""
    return by_rank if weighting is None else weighted(weighting)


@dataclass(frozen=True)
class Router:
    """A linear map of queries' vectors to weights of modalities."""

    modalities: list[str]
    queries: int  # it was learnt on
    penalty: float  # of the ridge
    centre: np.ndarray  # mean training query, float64 (dim,)
    mean: np.ndarray  # mean target (modalities,)
    slope: np.ndarray  # (dim, modalities)

    def weights(self, queries: np.ndarray) -> np.ndarray:
        """Weights of the modalities for queries (q, dim): (q, modalities), none below 0, rows sum to 1."""
        found = np.maximum(self.mean + (queries.astype(np.float64) - self.centre) @ self.slope, 0)
        weights: np.ndarray = found / found.sum(axis=1, keepdims=True)  # they sum to 1 before, so one is above 0
        return weights


def targets(queries: Vectors, views: Mapping[str, Vectors], qrels: Qrels) -> tuple[np.ndarray, np.ndarray]:
    """What there is to learn: vectors of the training queries whose positive some modality has, and their targets (see
    above)."""
    shares = np.zeros((len(queries.ids), len(views)))
    for column, vectors in enumerate(views.values()):
        rankings = search(queries, vectors, len(vectors.ids))
        for row, query_id in enumerate(queries.ids):
            positives = set(positives_of(qrels, query_id))
            found = (rank for rank, one in enumerate(rankings[query_id], start=1) if one in positives)
            shares[row, column] = 1 / next(found, np.inf)
    known = shares.sum(axis=1) > 0
    return queries.values[known].astype(np.float64), shares[known] / shares[known].sum(axis=1, keepdims=True)


def learn(asked: np.ndarray, wanted: np.ndarray, modalities: list[str]) -> Router | None:
    """The router for queries' vectors (q, dim) and targets (q, modalities); None where there are too few."""
    count = len(asked)
    if count < LEAST:
        return None
    centre, mean = asked.mean(axis=0), wanted.mean(axis=0)
    left, sizes, right = np.linalg.svd(asked - centre, full_matrices=False)
    projected = left.T @ (wanted - mean)

    def error(penalty: float) -> float:
        kept = (sizes**2 / (sizes**2 + penalty))[:, None]
        leverage = 1 / count + ((left**2) @ kept)
        residual = (wanted - mean - left @ (kept * projected)) / np.maximum(1 - leverage, 1e-12)
        return float((residual**2).sum())

    penalty = min(PENALTIES, key=error)
    slope = right.T @ ((sizes / (sizes**2 + penalty))[:, None] * projected)
    return Router(modalities, count, penalty, centre, mean, slope)
