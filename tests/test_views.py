"""The whole pipeline with videos shown in part: what is made, told, tracked and verified of it."""

from __future__ import annotations

import json

from tasks.shared.artifacts.corpus import read_queries
from tasks.shared.artifacts.directions import read_ranked
from tasks.shared.artifacts.fusion import read_fused
from tasks.shared.artifacts.scores import as_metrics, read_scores
from tests.project import Project


def test_any_to_any_and_fusion_from_params_to_report_and_audit(finished: Project) -> None:
    results = finished.root / "results"
    before = finished.manifest("encode")["outputs"]
    finished.change({"evaluate.directions": True, "evaluate.fusion": ["joint", "weights", "rrf", "entropy", "routed"]})
    assert finished.repro() == ["encode", "evaluate", "report"]
    after = finished.manifest("encode")["outputs"]
    assert {name: after[name] for name in before} == before, "the index and its vectors stay as they were"

    scores = read_scores(results / "evaluate")
    assert scores.directions is not None and scores.fusion is not None
    assert scores.directions.documents > 2 and list(scores.directions.systems) == ["tuned", "base"]
    assert len(read_ranked(results / "evaluate")) == 2 * 12 * scores.directions.documents
    methods = ["joint", "weights", "rrf", "entropy"]
    assert {name: list(of) for name, of in scores.fusion.systems.items()} == {"tuned": methods, "base": methods}
    assert scores.fusion.notes.keys() == {"tuned", "base"}, "too few training queries for routing"
    assert len(read_fused(results / "evaluate")) == 2 * 4 * scores.queries
    page = (results / "report" / "report.html").read_text(encoding="utf-8")
    assert "Any to any" in page and "Fusion at search time" in page and "nothing is routed" in page

    verified = finished.audit("verify", "--deep", "--json")
    assert verified.returncode == 0, verified.stdout[-3000:] + verified.stderr
    checked = json.loads(verified.stdout)["checked"]
    queries = len(read_queries(results / "corpus" / "queries.parquet", "test"))
    assert checked["rankings computed again"] == (2 * 4 + 1) * queries, "by the joint vector, three fusions and bm25"
    fused_run = results / "evaluate" / "runs" / "base.entropy.trec"
    query_id, _, video_id, _, score, _ = fused_run.read_text(encoding="utf-8").split("\n")[0].split()
    changed = fused_run.read_text(encoding="utf-8").replace(score, str(float(score) + 0.5), 1)
    fused_run.write_text(changed, encoding="utf-8")
    metrics = results / "evaluate" / "metrics.json"
    told = json.loads(metrics.read_text(encoding="utf-8"))
    told["directions"]["systems"]["tuned"]["AVG-all"]["R@1"] += 0.01
    told["fusion"]["tests"]["base"]["rrf"]["difference"] += 0.01
    metrics.write_text(json.dumps(told), encoding="utf-8")
    answer = json.loads(finished.audit("verify", "--deep", "--json").stdout)
    where = {one["where"] for one in answer["findings"]}
    assert "results/evaluate/metrics.json directions systems/tuned/AVG-all/R@1" in where
    assert "results/evaluate/metrics.json fusion tests/base/rrf/difference" in where
    assert f"results/evaluate/runs/base.entropy.trec query {query_id} video {video_id}" in where
    assert "direction/tuned/t2v/R@1" in as_metrics(scores)
