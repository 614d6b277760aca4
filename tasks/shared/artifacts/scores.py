"""The evaluate artifact: what the rankings (`runs.py`) score for every query, and the numbers made of that.

`results/evaluate/per_query.parquet`, `metrics.json`, `systems.csv`. The schema, its writers
and its readers are here and nowhere else.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tasks.shared.artifacts import directions as any_to_any
from tasks.shared.artifacts import fusion as side_by_side
from tasks.shared.artifacts.directions import Directions
from tasks.shared.artifacts.fusion import Fusion
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, write_json, write_text
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
class Comparison:
    """The tuned system against another, over the same queries.

    Attributes:
        difference: mean nDCG@10 of tuned less that of the other.
        p: two-sided, of the paired randomisation test.
        p_holm: the same, corrected for the number of systems compared (Holm).
    """

    difference: float
    p: float
    p_holm: float


@dataclass(frozen=True)
class Slice:
    """Part of the queries: how many, and by system `{"nDCG@10": mean, "interval": [low, high]}`."""

    count: int
    systems: dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Scores:
    """What `metrics.json` holds. Means are over the queries that have a relevant video.

    Attributes:
        queries: how many of them there are; queries_without_positives: how many were left out.
        videos: size of the collection that was ranked.
        systems: by system and measure, the mean.
        intervals: by system and measure, 95 % bootstrap interval [low, high]; nDCG@10 only.
        tests: tuned against every other system, by its name.
        slices: by facet (query_language, query_type, query_category, video_language, video_type) and value.
        note: why there are no numbers, where there are none.
        retriever: model, revision and digest of the dense text baseline; None where it was not needed.
        directions: any-to-any retrieval; fusion: methods beside the joint vector. None where they are not asked for;
            then `metrics.json` has no such key.
    """

    queries: int
    videos: int
    queries_without_positives: int = 0
    systems: dict[str, dict[str, float]] = field(default_factory=dict)
    intervals: dict[str, dict[str, list[float]]] = field(default_factory=dict)
    tests: dict[str, Comparison] = field(default_factory=dict)
    slices: dict[str, dict[str, Slice]] = field(default_factory=dict)
    note: str | None = None
    retriever: dict[str, str | None] | None = None
    directions: Directions | None = None
    fusion: Fusion | None = None


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
    asked = asdict(scores)
    write_json(folder / METRICS, {name: one for name, one in asked.items() if name not in ASKED_FOR or one is not None})
    write_text(folder / SYSTEMS_TABLE, _systems_csv(scores.systems, scores.intervals))


def _systems_csv(systems: Mapping[str, Mapping[str, float]], intervals: Mapping[str, Mapping[str, list[float]]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["system", *MEASURES, "low", "high"])
    for name, values in systems.items():
        table.writerow([name, *(values[measure] for measure in MEASURES), *intervals[name][HEADLINE]])
    return text.getvalue()


def read_scores(folder: Path = FOLDER) -> Scores:
    """The numbers of `metrics.json`, systems in the order of `SYSTEMS`."""
    path = folder / METRICS
    return scores_of(read_json(path), path)


def scores_of(raw: dict[str, Any], path: Path) -> Scores:
    """Scores as a `metrics.json` has them. Raises UserError, which names the path, where another version wrote it."""
    try:
        scores = Scores(**raw)
        return Scores(
            **{
                **raw,
                "systems": _in_order(scores.systems),
                "intervals": _in_order(scores.intervals),
                "tests": _in_order({name: Comparison(**one) for name, one in raw["tests"].items()}),
                "slices": {
                    facet: {value: Slice(**one) for value, one in values.items()}
                    for facet, values in raw["slices"].items()
                },
                "directions": any_to_any.directions_of(raw["directions"]) if "directions" in raw else None,
                "fusion": side_by_side.fusion_of(raw["fusion"]) if "fusion" in raw else None,
            }
        )
    except (TypeError, KeyError, AttributeError) as error:
        raise UserError(f"{path} is not as this version writes it ({error}); run `dvc repro -f evaluate`") from None


def as_metrics(scores: Scores) -> dict[str, float]:
    """The numbers by the names that MLflow has them under: `tuned/nDCG@10`, `p_holm/base`, `direction/...`."""
    found = {f"{name}/{measure}": one for name, of in scores.systems.items() for measure, one in of.items()}
    found |= {f"p_holm/{name}": test.p_holm for name, test in scores.tests.items()}
    found |= slice_metrics(scores.slices)
    found |= any_to_any.as_metrics(scores.directions) if scores.directions else {}
    return found | (side_by_side.as_metrics(scores.fusion) if scores.fusion else {})


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


def _in_order(by_system: Mapping[str, Any]) -> dict[str, Any]:
    return {name: by_system[name] for name in SYSTEMS if name in by_system}
