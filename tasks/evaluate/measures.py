"""Measures of a ranking, by trec_eval's rules (ir_measures over trec_eval's own code).

Ranks follow from scores alone, equal scores by document id descending; gains are linear; a query without results
scores 0.
"""

from __future__ import annotations

from collections.abc import Mapping

import ir_measures

from tasks.shared.artifacts.corpus import Qrels
from tasks.shared.artifacts.scores import HEADLINE, MEASURES
from tasks.shared.artifacts.types import Run

PerQuery = dict[str, dict[str, float]]  # query id -> measure -> value


def per_query(run: Run, qrels: Qrels) -> PerQuery:
    """Every measure for every query of the judgments, in id order."""
    measures = [ir_measures.parse_measure(name) for name in MEASURES]
    values: PerQuery = {query_id: {} for query_id in sorted(qrels)}
    if not qrels:
        return values
    for one in ir_measures.pytrec_eval.evaluator(measures, qrels).iter_calc(run):
        values[one.query_id][str(one.measure)] = one.value
    return values


def means(values: PerQuery) -> dict[str, float]:
    """The mean of every measure over the queries."""
    return {name: sum(one[name] for one in values.values()) / len(values) for name in MEASURES}


def headline(values: Mapping[str, Mapping[str, float]]) -> list[float]:
    """nDCG@10 of every query, in the order of `values`."""
    return [one[HEADLINE] for one in values.values()]
