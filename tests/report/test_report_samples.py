"""Which queries are shown, and how numbers and words are written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tasks.report import numbers
from tasks.report.evidence import Evidence
from tasks.report.headline import demo_notes, searched, verdicts
from tasks.report.lineage import broken_links, models
from tasks.report.samples import choose, samples
from tasks.report.strips import spread
from tasks.shared.artifacts.losses import read_losses
from tasks.shared.artifacts.scores import Comparison, Scores
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import Model


def test_choice_is_stratified_and_mixes_best_median_and_worst(evidence: Evidence) -> None:
    chosen = choose(evidence, 8)
    assert [query.type for query, _ in chosen] == ["base", "description", "speech", "ocr"] * 2
    assert [kind for _, kind in chosen] == ["best", "median", "worst"] * 2 + ["best", "median"]
    assert len({query.query_id for query, _ in chosen}) == 8
    scored = evidence.ndcg["tuned"]
    of_type = {
        kind: [scored[one.query_id] for one in evidence.test_queries() if one.type == kind]
        for kind in ("base", "speech")
    }
    assert scored[chosen[0][0].query_id] == max(of_type["base"])
    assert scored[chosen[2][0].query_id] == min(of_type["speech"])


def test_choice_never_asks_for_more_than_there_is(evidence: Evidence) -> None:
    assert len(choose(evidence, 1000)) == len(evidence.test_queries()) == 32


def test_results_are_the_first_of_the_run_and_marked_by_the_judgments(evidence: Evidence) -> None:
    for sample in samples(evidence, 4, 5):
        query_id = sample.query.query_id
        assert sample.results == dict([*evidence.runs["tuned"][query_id].items()][:5])
        assert sample.positives == sorted(evidence.qrels[query_id])
        for system, (first, ranked) in sample.first.items():
            ranking = list(evidence.runs[system][query_id])
            ranks = [rank for rank, video in enumerate(ranking, 1) if video in sample.positives]
            assert (first, ranked) == (min(ranks), len(ranking))


@pytest.mark.parametrize(
    ("test", "said"),
    [
        (Comparison(0.1, 0.01, 0.049), "significantly above"),
        (Comparison(0.1, 0.02, 0.05), "no significant difference"),
        (Comparison(-0.1, 0.01, 0.01), "significantly below"),
        (Comparison(0.0, 1.0, 1.0), "no significant difference"),
    ],
)
def test_verdict_goes_by_the_corrected_p(test: Comparison, said: str) -> None:
    (sentence,) = verdicts(Scores(queries=9, videos=9, tests={"base": test}))
    assert said in sentence


@pytest.mark.parametrize(("count", "wanted"), [(0, 6), (1, 6), (5, 6), (24, 6), (7, 6), (9, 1)])
def test_spread_is_even_distinct_and_in_range(count: int, wanted: int) -> None:
    places = spread(count, wanted)
    assert len(places) == len(set(places)) == min(count, wanted)
    assert places == sorted(places) and all(0 <= place < count for place in places)
    if count >= wanted > 1:
        assert places[0] == 0 and places[-1] == count - 1


def test_broken_chain_is_named(evidence: Evidence) -> None:
    assert broken_links(evidence) == []
    assert len(evidence.lineage.links()) > 20
    mine = replace(evidence.lineage.execution("mine"), digest="00" * 32)
    other = replace(
        evidence, lineage=replace(evidence.lineage, executions=evidence.lineage.executions | {"mine": mine})
    )
    assert broken_links(other) == ["train read another results/mine/manifest.json"]


def test_base_is_identified_as_its_weights_are(evidence: Evidence) -> None:
    (digest,) = (digest for role, _, _, digest in models(evidence) if role == "omni embedder, base")
    assert digest == Model("base", "results/base/model", None).digest()


def test_only_the_demo_has_notes_on_the_demo(evidence: Evidence) -> None:
    assert len(demo_notes(evidence)) == 4
    corpus = replace(evidence.lineage.execution("corpus"), params={"corpus": {"source": "folder"}})
    executions = evidence.lineage.executions | {"corpus": corpus}
    other = replace(evidence, lineage=replace(evidence.lineage, executions=executions))
    assert demo_notes(other) == []
    assert "a folder of the user's own videos" in searched(other)


def test_damaged_training_curve_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "loss.csv").write_text("step,loss,learning_rate\n1,much,0\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"loss\.csv is not a training curve"):
        read_losses(tmp_path)


def test_numbers_read_as_people_write_them() -> None:
    assert numbers.signed(-0.1234) == "−0.123"
    assert numbers.probability(0.0004) == "< 0.001"
    assert [numbers.size(one) for one in (999, 1500, 123_456, 2_000_000)] == ["999 B", "1.5 kB", "123 kB", "2.0 MB"]
    assert [numbers.duration(one) for one in (5.4, 65, 3725)] == ["0:05", "1:05", "1:02:05"]
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.shortened("one two three four", 12) == "one two…"
    assert numbers.shortened("老城区市场火灾的全部消息", 6) == "老城区市场…"
