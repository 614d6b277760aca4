"""The comparison over seeds, on invented values and on the files that a run leaves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from benchmarks.across_seeds import standings, table
from benchmarks.arms import DIRECTIONS, Outcome, _values
from benchmarks.seeds import _methods
from tasks.shared.artifacts.fusion import FusedQuery, write_fused
from tasks.shared.artifacts.scores import MEASURES, PER_QUERY, QueryScores, write_per_query


def by_seed(shift: float, seeds: int, count: int = 30) -> list[dict[str, float]]:
    rng = np.random.default_rng(11)
    of_seed = [rng.uniform(0.2, 0.6) for _ in range(seeds)]
    noise = np.random.default_rng(int(100 * shift))
    return [
        {f"q{one}": mean + shift + 0.05 * noise.standard_normal() for one in range(count)} for mean in of_seed
    ]  # fmt: skip


def test_leads_are_paired_by_seed_and_by_query() -> None:
    first, second = by_seed(0.0, 5), by_seed(0.04, 5)
    one, other = standings({"recipe": first, "objectives": second})
    means = [[np.mean(list(each.values())) for each in of] for of in (first, second)]
    assert one.mean == pytest.approx(np.mean(means[0])) and one.lead_p is None
    assert one.between == pytest.approx(stats.t.interval(0.95, 4, np.mean(means[0]), stats.sem(means[0])))
    assert other.lead == pytest.approx(np.mean(means[1]) - np.mean(means[0]))
    assert other.lead_p == pytest.approx(stats.ttest_rel(means[1], means[0]).pvalue)
    assert other.lead_between is not None and other.pooled_between is not None and one.between is not None
    assert other.lead_between[0] > 0 and one.between[1] - one.between[0] > 0.2, "seeds differ, the lead hardly does"
    assert other.pooled_between[0] < 0.04 < other.pooled_between[1] and other.pooled_p == pytest.approx(1e-5, rel=0.01)
    lines = table("nDCG@10", [one, other]).splitlines()
    assert lines[0].split()[:2] == ["nDCG@10", "mean"] and lines[2].startswith("objectives")
    assert f"{other.lead:+.4f}" in lines[2] and "+" not in lines[1]


def test_one_seed_has_no_interval_over_seeds() -> None:
    one, other = standings({"a": by_seed(0.0, 1), "b": by_seed(0.0, 1)})
    assert (one.between, other.between, other.lead_between, other.lead_p) == (None, None, None, None)
    assert other.lead == 0 and other.pooled_p == 1.0
    assert standings({"a": by_seed(0.0, 2), "b": by_seed(0.0, 2)})[1].lead_p is None


def test_values_of_a_run(tmp_path: Path) -> None:
    scores = [
        QueryScores(query, system, dict.fromkeys(MEASURES, value))
        for query, value in (("q1", 0.5), ("q2", 1.0))
        for system in ("tuned", "bm25")
    ]
    write_per_query(tmp_path, scores)
    assert _values(tmp_path) == {
        "tuned": {"nDCG@10": {"q1": 0.5, "q2": 1.0}},
        "bm25": {"nDCG@10": {"q1": 0.5, "q2": 1.0}},
    }
    both = (("q1", 0.25), ("q2", 0.75))
    fused = [
        FusedQuery(query, "tuned", method, ndcg, 1, 0, 0) for query, ndcg in both for method in ("joint", "routed")
    ]
    write_fused(tmp_path, fused)
    assert _values(tmp_path)["tuned"] == {
        "nDCG@10": {"q1": 0.5, "q2": 1.0}, "nDCG@10 routed": {"q1": 0.25, "q2": 0.75},
    }  # fmt: skip
    run = Outcome(tmp_path, "c", None, _values(tmp_path))
    assert _methods([run, run], "tuned") == {
        "joint": [{"q1": 0.5, "q2": 1.0}] * 2, "routed": [{"q1": 0.25, "q2": 0.75}] * 2,
    }  # fmt: skip
    assert list(_methods([run], "bm25")) == ["joint"] and _methods([run], "base") == {}
    ranks = {"t2v": (1, 2), "v2t": (2, 3), "t2av": (1, 1), "at2v": (1, 11)}
    rows = [
        {"system": "tuned", "direction": name, "video_id": video, "rank": rank}
        for name, of in ranks.items()
        for video, rank in zip(("v1", "v2"), of, strict=True)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / DIRECTIONS)
    values = _values(tmp_path)
    assert values["tuned"]["AVG-single"] == {"v1": 0.5, "v2": 0.0}
    assert values["tuned"]["AVG-dual"] == {"v1": 1.0, "v2": 0.5}
    assert values["tuned"]["AVG-all"] == {"v1": 0.75, "v2": 0.25} and "AVG-all" not in values["bm25"]
    assert values["tuned"]["AVG-all R@10"] == {"v1": 1.0, "v2": 0.75}
    assert Outcome(tmp_path, "c", None, values).mean("tuned", "AVG-all") == 0.5
    assert (tmp_path / PER_QUERY).exists()
