"""Fusion at search time, compared with the joint vector: rankings, scores, intervals and tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from tasks.evaluate.measures import PerQuery, headline, means, per_query
from tasks.evaluate.rankings import encoders
from tasks.evaluate.significance import comparisons_of, differences, interval
from tasks.shared.artifacts import vectors
from tasks.shared.artifacts.corpus import Qrels
from tasks.shared.artifacts.fusion import Comparison, FusedQuery, Fusion
from tasks.shared.artifacts.scores import HEADLINE
from tasks.shared.artifacts.types import Run
from tasks.shared.execution.params import Params
from tasks.shared.retrieval.fusion import Weighting, fused, weights_of
from tasks.shared.retrieval.methods import TooFewError, make_fusion, make_weighting, read_modalities


@dataclass(frozen=True)
class Fusing:
    """One system's fused rankings by method."""

    runs: dict[str, Run]
    weights: dict[str, np.ndarray]  # that queries gave (q, modalities), by method
    queries: list[str]
    note: str | None  # why there is a method less


def fuse(params: Params, training: Qrels) -> dict[str, Fusing]:
    """Rankings of every system by every method asked for but the joint vector's; routing is learnt from `training`.
    Raises UserError where the params give no weight to any modality, or vectors are missing."""
    methods = [str(one) for one in params.evaluate.fusion if one != "joint"]
    modalities, given = [str(one) for one in params.encode.modalities], params.evaluate.weights.model_dump()
    return {
        system: fuse_system(system, methods, modalities, given, training, params.evaluate.depth)
        for system in encoders()
    }


def fuse_system(
    system: str,
    methods: Sequence[str],
    modalities: list[str],
    given: Mapping[str, float],
    training: Qrels,
    depth: int,
    folder: Path = vectors.FOLDER,
) -> Fusing:
    """One system's rankings by some methods, out of the vectors in a folder; see `fuse`."""
    views = read_modalities(system, "videos", modalities, folder)
    queries = vectors.read_vectors(system, "queries", folder)
    weightings: dict[str, Weighting | None] = {}
    note = None
    for method in methods:
        try:
            weightings[method] = make_weighting(method, system, modalities, given, training, folder)
        except TooFewError as error:
            note = str(error)
    runs = fused(queries, views, {name: make_fusion(weighting) for name, weighting in weightings.items()}, depth)
    weights = {
        name: weights_of(queries, views, weighting) for name, weighting in weightings.items() if weighting is not None
    }
    return Fusing(runs, weights, queries.ids, note)


def fusion(
    found: Mapping[str, Fusing], joint: Mapping[str, PerQuery], qrels: Qrels, params: Params
) -> tuple[Fusion, list[FusedQuery]]:
    """What the methods score, beside the joint vector and tested against it, and the same query by query. `joint` has
    by system what its own ranking scores for every query of the judgments `qrels`, all with a positive."""
    modalities = [str(one) for one in params.encode.modalities]
    methods = [str(one) for one in params.evaluate.fusion]
    values: dict[str, dict[str, PerQuery]] = {}
    for system, one in found.items():
        of = {"joint": joint[system]} | {name: per_query(run, qrels) for name, run in one.runs.items()}
        values[system] = {name: of[name] for name in methods if name in of}
    weights = {system: {name: dict(zip(modalities, given.mean(axis=0).tolist(), strict=True))
                        for name, given in one.weights.items()} for system, one in found.items()}  # fmt: skip
    numbers = compared(values, params.evaluate.bootstrap, params.evaluate.permutations, params.run.seed)
    notes = {system: one.note for system, one in found.items() if one.note}
    rows = [row for system, of in values.items() for row in _rows(system, of, found[system], modalities)]
    return Fusion(modalities, numbers.systems, numbers.intervals, numbers.tests, weights, notes), rows


@dataclass(frozen=True)
class Compared:
    """The parts of `Fusion` that follow from what every query scores."""

    systems: dict[str, dict[str, dict[str, float]]]
    intervals: dict[str, dict[str, list[float]]]
    tests: dict[str, dict[str, Comparison]]


def compared(values: Mapping[str, Mapping[str, PerQuery]], bootstrap: int, permutations: int, seed: int) -> Compared:
    """Means, intervals and tests against joint, of what every query scores by system and method."""
    sure = partial(interval, resamples=bootstrap, seed=seed)
    return Compared(
        {system: {name: means(one) for name, one in of.items()} for system, of in values.items()},
        {system: {name: sure(headline(one)) for name, one in of.items()} for system, of in values.items()},
        {system: _against(of, permutations, seed) for system, of in values.items()},
    )


def _against(of: Mapping[str, PerQuery], permutations: int, seed: int) -> dict[str, Comparison]:
    leads = {name: differences(one, of["joint"]) for name, one in of.items() if name != "joint"}
    return comparisons_of(leads, permutations, seed)


def _rows(system: str, of: Mapping[str, PerQuery], one: Fusing, modalities: list[str]) -> list[FusedQuery]:
    row_of = {query_id: row for row, query_id in enumerate(one.queries)}
    rows = []
    for name, values in of.items():
        for query_id, measures in values.items():
            given: dict[str, float | None] = dict.fromkeys(("text", "video", "audio"))
            if name in one.weights:
                given |= dict(zip(modalities, one.weights[name][row_of[query_id]].tolist(), strict=True))
            rows.append(FusedQuery(query_id, system, name, measures[HEADLINE], **given))
    return rows
