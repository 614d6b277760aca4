"""The methods of fusion by their names in params, for rankings by vectors of single modalities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tasks.shared.artifacts.corpus import Qrels
from tasks.shared.artifacts.vectors import Kind, Vectors, read_vectors
from tasks.shared.retrieval.fusion import FuseScores, Weighting, by_entropy, by_rank, fixed, weighted
from tasks.shared.retrieval.routing import LEAST, learn, targets
from tasks.shared.runtime.errors import UserError


def read_modalities(system: str, kind: Kind, modalities: Sequence[str], folder: Path) -> dict[str, Vectors]:
    """By modality, a system's vectors of videos that show nothing else. Raises UserError where they are missing."""
    return {one: read_vectors(system, kind, folder, view=one) for one in modalities}


def make_weighting(
    method: str, system: str, modalities: list[str], given: Mapping[str, float], training: Qrels, folder: Path
) -> Weighting | None:
    """How a method (weights, entropy, routed) weighs modalities; None for one that weighs none.

    `given` are the weights of method weights; routing is learnt from the system's training queries in `folder` and
    `training`, their judgments. Raises UserError where no modality is given any weight, and TooFewError.
    """
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
