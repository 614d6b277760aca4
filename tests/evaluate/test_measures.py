"""Measures from the written files, against trec_eval's C code and against definitions written out."""

from __future__ import annotations

import math
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.evaluate.measures import means, per_query
from tasks.shared.artifacts.corpus import Judgment, Qrels, read_qrels, write_qrels
from tasks.shared.artifacts.runs import read_run, write_run
from tasks.shared.artifacts.scores import MEASURES
from tasks.shared.artifacts.types import Run
from tasks.shared.retrieval.search import ranked

TREC_NAMES = dict(zip(MEASURES, ["ndcg_cut_10", "ndcg", "map", "recip_rank", "recall_10", "recall_100"], strict=True))
VIDEOS = [f"v{number}" for number in range(130)]
# few values, so that there are many ties; and floats that are as close as float32 can be
SCORES = st.sampled_from([0.0, -0.0, 0.5, -1.25, 1e-30, 3e8, 0.1, float(np.nextafter(np.float32(0.1), np.float32(1)))])


def by_trec_eval(folder: Path) -> dict[str, dict[str, float]]:
    """The files as trec_eval's own parsers read them: whitespace fields, scores as written."""
    qrels: Qrels = {}
    for line in (folder / "qrels.trec").read_text().splitlines():
        query, _, video, relevance = line.split()
        qrels.setdefault(query, {})[video] = int(relevance)
    run: Run = {}
    for line in (folder / "runs" / "base.trec").read_text().splitlines():
        query, _, video, _, score, _ = line.split()
        run.setdefault(query, {})[video] = float(score)
    evaluator = pytrec_eval.RelevanceEvaluator(qrels, set(TREC_NAMES.values()) | {"ndcg_cut", "recall"})
    return evaluator.evaluate(run)


def ranking(scores: dict[str, float]) -> dict[str, float]:
    ids = sorted(scores, reverse=True)
    return ranked(ids, np.array([scores[one] for one in ids], np.float32), 1000)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_written_files_score_alike_in_trec_eval(data: st.DataObject) -> None:
    queries = [f"q{number}" for number in range(data.draw(st.integers(1, 5)))]
    judged = st.dictionaries(st.sampled_from(VIDEOS), st.integers(0, 3), min_size=1, max_size=12)
    qrels = {query: {**data.draw(judged), "v0": 1} for query in queries}
    # queries without results, videos that nobody judged
    run = {
        query: ranking(data.draw(st.dictionaries(st.sampled_from(VIDEOS), SCORES, max_size=len(VIDEOS))))
        for query in data.draw(st.lists(st.sampled_from(queries), unique=True))
    }
    ours = per_query(run, qrels)
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_run(folder, "base", run)
        write_qrels(
            folder / "qrels.trec", [Judgment(q, v, r) for q, judged in qrels.items() for v, r in judged.items()]
        )
        again = read_run("base", folder)
        assert per_query(again, read_qrels(folder / "qrels.trec")) == ours
        for query, found in again.items():  # who sorts what was written finds the order it was written in
            assert sorted(found, key=lambda one: (found[one], one), reverse=True) == list(run[query])
        theirs = by_trec_eval(folder)
    for query in queries:
        for name, trec_name in TREC_NAMES.items():
            assert ours[query][name] == pytest.approx(theirs.get(query, {}).get(trec_name, 0.0), abs=1e-6)
    for name, mean in means(ours).items():
        assert mean == pytest.approx(sum(one[name] for one in ours.values()) / len(queries))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_the_written_rank_is_the_rank_that_counts(data: st.DataObject) -> None:
    """By the definitions, over the lines in the order written: no tie is left to the reader."""
    relevance = {**data.draw(st.dictionaries(st.sampled_from(VIDEOS), st.integers(0, 3), max_size=12)), "v0": 1}
    run = {"q": ranking(data.draw(st.dictionaries(st.sampled_from(VIDEOS), SCORES, min_size=1)))}
    gains = [relevance.get(video, 0) for video in run["q"]]
    ideal = sorted(relevance.values(), reverse=True)

    def dcg(values: list[int]) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(values, start=1))

    relevant = sum(gain > 0 for gain in ideal)
    hits = [rank for rank, gain in enumerate(gains, start=1) if gain > 0]
    expected = {
        "nDCG@10": dcg(gains[:10]) / dcg(ideal[:10]),
        "nDCG": dcg(gains) / dcg(ideal),
        "AP": sum(count / rank for count, rank in enumerate(hits, start=1)) / relevant,
        "RR": 1 / hits[0] if hits else 0.0,
        "R@10": sum(rank <= 10 for rank in hits) / relevant,
        "R@100": sum(rank <= 100 for rank in hits) / relevant,
    }
    assert per_query(run, {"q": relevance})["q"] == pytest.approx(expected, abs=1e-9)


def test_no_judgments() -> None:
    assert per_query({"q": {"v1": 1.0}}, {}) == {}
