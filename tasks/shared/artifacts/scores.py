"""The evaluate artifact: what the rankings (`runs.py`) score for every query, and the numbers made of that.

`results/evaluate/per_query.parquet`, `metrics.json`, `systems.csv`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.shared.artifacts.directions import Directions
from tasks.shared.artifacts.fusion import Comparison, Fusion
from tasks.shared.artifacts.tables import read_record
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.files import write_text
from tasks.shared.runtime.parquet import read_parquet, write_parquet

FOLDER = RESULTS / "evaluate"
PER_QUERY = "per_query.parquet"
METRICS = "metrics.json"
SYSTEMS_TABLE = "systems.csv"

SYSTEMS = ("tuned", "base", "text_dense", "bm25")  # in the order that people read them
HEADLINE = "nDCG@10"
LONGEST = 80  # characters of a slice's value in the name of a metric
MEASURES = (HEADLINE, "nDCG", "AP", "RR", "R@10", "R@100")  # names of ir_measures
ASKED_FOR = ("directions", "fusion")  # parts of `metrics.json` that are there where params ask for them


@dataclass(frozen=True)
class QueryScores:
    """What one system scores for one query, by measure."""

    query_id: str
    system: str
    values: dict[str, float]


@dataclass(frozen=True)
class Slice:
    """Part of the queries: how many, and by system `{"nDCG@10": mean, "interval": [low, high]}`."""

    count: int
    systems: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scores:
    """What `metrics.json` holds, systems in the order of `SYSTEMS`; means are over the queries with a relevant
    video."""

    queries: int  # that have a relevant video
    videos: int  # of the collection that was ranked
    queries_without_positives: int = 0  # left out
    systems: dict[str, dict[str, float]] = field(default_factory=dict)  # by system and measure, the mean
    intervals: dict[str, dict[str, list[float]]] = field(default_factory=dict)  # 95 % bootstrap, of nDCG@10
    tests: dict[str, Comparison] = field(default_factory=dict)  # tuned against every other system, by its name
    slices: dict[str, dict[str, Slice]] = field(default_factory=dict)  # by facet and value
    note: str | None = None  # why there are no numbers, where there are none
    retriever: dict[str, str | None] | None = None  # of the dense text baseline: model, revision, digest
    directions: Directions | None = None  # None, and no key in the file, where it is not asked for
    fusion: Fusion | None = None  # likewise


PER_QUERY_SCHEMA = pa.schema(
    [("query_id", pa.string()), ("system", pa.string()), *((name, pa.float64()) for name in MEASURES)]
)


def write_per_query(folder: Path, scores: Iterable[QueryScores]) -> None:
    """Write a row for every query and system, sorted by query id, systems in the order of `SYSTEMS`."""
    ordered = sorted(scores, key=lambda one: (one.query_id, SYSTEMS.index(one.system)))
    rows = [{"query_id": one.query_id, "system": one.system, **one.values} for one in ordered]
    write_parquet(folder / PER_QUERY, pa.Table.from_pylist(rows, schema=PER_QUERY_SCHEMA))


def read_per_query(folder: Path = FOLDER, query_ids: Collection[str] | None = None) -> list[QueryScores]:
    """Per-query scores in the order written, of some queries where they are named."""
    rows = read_parquet(folder / PER_QUERY, PER_QUERY_SCHEMA, {"query_id": query_ids}).to_pylist()
    return [QueryScores(row["query_id"], row["system"], {name: row[name] for name in MEASURES}) for row in rows]


def write_scores(folder: Path, scores: Scores) -> None:
    """Write `metrics.json`, and `systems.csv` with a row a system for plots."""
    there = {name: one for name, one in asdict(scores).items() if name not in ASKED_FOR or one is not None}
    # keys in their order, in which systems are read
    write_text(folder / METRICS, json.dumps(there, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["system", *MEASURES, "low", "high"])
    for name, values in scores.systems.items():
        table.writerow([name, *(values[measure] for measure in MEASURES), *scores.intervals[name][HEADLINE]])
    write_text(folder / SYSTEMS_TABLE, text.getvalue())


def read_scores(folder: Path = FOLDER) -> Scores:
    """The numbers of `metrics.json`. Raises UserError where another version wrote it."""
    found = read_record(Scores, folder / METRICS, "evaluate")
    # versions before sorted the keys, and the first system is the one that is asked about
    ordered = sorted(found.systems, key=lambda name: SYSTEMS.index(name) if name in SYSTEMS else len(SYSTEMS))
    return replace(found, systems={name: found.systems[name] for name in ordered})


def as_metrics(scores: Scores) -> dict[str, float]:
    """The numbers by the names that MLflow has them under: `tuned/nDCG@10`, `p_holm/base`, `direction/tuned/t2v/R@1`,
    `fusion/tuned/rrf/nDCG@10`."""
    found = _by_path(scores.systems) | {f"p_holm/{name}": test.p_holm for name, test in scores.tests.items()}
    found |= slice_metrics(scores.slices)
    found |= _by_path({"direction": scores.directions.systems}) if scores.directions else {}
    if scores.fusion:
        tests = scores.fusion.tests.items()
        p_holm = {system: {name: {"p_holm": one.p_holm} for name, one in of.items()} for system, of in tests}
        found |= _by_path({"fusion": scores.fusion.systems}) | _by_path({"fusion": p_holm})
    return found


def _by_path(nested: Mapping[str, Any], prefix: str = "") -> dict[str, float]:
    found: dict[str, float] = {}
    for name, one in nested.items():
        found |= _by_path(one, f"{prefix}{name}/") if isinstance(one, Mapping) else {prefix + name: one}
    return found


def slice_metrics(slices: Mapping[str, Mapping[str, Slice]]) -> dict[str, float]:
    """Slices by the names that MLflow has them under: `slice/query_type/ocr/count`, `slice/query_type/ocr/tuned`, and
    the ends of its interval `.../tuned/low` and `.../tuned/high`. What is no letter or digit in a value is written `_`.
    """
    found: dict[str, float] = {}
    for facet, values in slices.items():
        for value, part in values.items():
            place = f"slice/{facet}/{re.sub(r'[^a-zA-Z0-9-]+', '_', value)[:LONGEST]}"
            found[f"{place}/count"] = part.count
            for system, one in part.systems.items():
                found[f"{place}/{system}"] = one[HEADLINE]
                found[f"{place}/{system}/low"], found[f"{place}/{system}/high"] = one["interval"]
    return found
