"""The audit of negatives in numbers that can be worked out by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tasks.audit.negatives.audit import Audit, audit
from tasks.audit.negatives.facts import band_of
from tasks.audit.negatives.scores import spread
from tasks.audit.negatives.usage import gini
from tasks.lineage.open import workspace
from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative
from tasks.shared.runtime.errors import UserError
from tests.audit.mined import lay, media, mined, query, said, video


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def audited() -> Audit:
    return audit(workspace())


@pytest.mark.parametrize(
    ("score", "positives", "band"),
    [
        (0.8, [0.9, 0.8], "above"),
        (0.79, [0.9, 0.8], "within 5 %"),
        (0.76, [0.9, 0.8], "within 25 %"),  # 95 % of the weakest is not above 95 %
        (0.7600005, [0.9, 0.8], "within 25 %"),  # nor is what rounding alone lifts above
        (0.61, [0.9, 0.8], "within 25 %"),
        (0.6, [0.9, 0.8], "below"),
        (-0.205, [-0.2], "within 5 %"),  # -0.21 is the threshold: below the positive where that is negative
        (-0.21, [-0.2], "within 25 %"),
        (-0.3, [-0.2], "below"),
        (0.5, [], "unchecked"),
        (None, [0.5], "unchecked"),
    ],
)
def test_bands(score: float | None, positives: list[float], band: str) -> None:
    assert band_of(score, positives) == band


def test_quantiles() -> None:
    found = spread(list(range(101)))
    assert found is not None
    assert (found.count, found.min, found.p5, found.p25, found.p50, found.p95, found.max) == (
        101,
        0,
        5,
        25,
        50,
        95,
        100,
    )
    assert spread([]) is None


def test_gini() -> None:
    assert gini(np.array([0, 0, 0, 4])) == pytest.approx(0.75)  # n - 1 of n
    assert gini(np.array([2, 2, 2, 2])) == pytest.approx(0)
    assert gini(np.array([1, 3])) == pytest.approx(0.25)  # |1 - 3| summed over all pairs, / (2 n^2 mean) = 4 / 16
    assert gini(np.zeros(4, int)) is None


def test_margins_and_scores(here: Path) -> None:
    lay(
        here,
        [video(name) for name in "abcdefgh"],
        [query("q1"), query("q2"), query("q3")],
        [
            mined("q1", {"c": 0.9, "d": 0.78, "e": 0.1}, {"a": 0.8, "b": 0.95}),  # above, within 5 %, below
            mined("q2", {"c": 0.2, "d": 0.1}, {"a": 0.5}),  # both below
            mined("q3", {"c": 0.7}, {"b": None}),  # its positive has no score
        ],
    )
    found = audited()
    one = found.margins
    assert (one.checked, one.unchecked, one.at_or_above, one.above_95) == (5, 1, 1, 2)
    assert (one.queries, one.unchecked_queries, one.own, one.above_own) == (1, 1, None, 0)
    gaps = found.scores.gaps
    assert gaps is not None
    assert (gaps.count, gaps.min, gaps.max) == (5, pytest.approx(-0.1), pytest.approx(0.7))
    assert gaps.p50 == pytest.approx(0.3)  # of -0.1, 0.02, 0.3, 0.4, 0.7
    assert found.scores.positives is not None and found.scores.positives.count == 3
    assert found.scores.ranks is not None and found.scores.ranks.max == 3
    assert found.drops.short == 2


def test_a_broken_margin_is_told(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.9}, {"a": 0.5})], relative_margin=0.05)
    found = audited()
    assert found.margins.above_own == 1
    assert any("verify" in line for line in found.advice)


def test_events_and_judgments(here: Path) -> None:
    lay(
        here,
        [video("a", event="flood"), video("b", event="flood"), video("c", event="storm"), video("d"),
         video("e", event="storm")],
        [query("q1", event="flood"), query("q2")],
        [mined("q1", {"b": 0.4, "c": 0.3, "d": 0.2}, {"a": 0.5}), mined("q2", {"c": 0.2}, {"a": 0.5})],
        judged=[Judgment("q1", "c", 0), Judgment("q2", "c", 1)],
    )  # fmt: skip
    found = audited().likely_false
    assert (found.negatives, found.events_known, found.same_event) == (4, 2, 1)
    # of the three videos with an event that q1 does not have as positive, one is of its event; two negatives of such
    assert found.same_event_by_chance == pytest.approx(2 / 3)
    assert (found.judged_irrelevant, found.judged_relevant) == (1, 1)
    assert [(one.query_id, one.video_id) for one in found.suspects] == [("q1", "b")]


def test_what_serves_how_often(here: Path) -> None:
    lay(
        here,
        [video(name, title=name.upper()) for name in "abcd"],
        [query("q1"), query("q2"), query("q3")],
        [mined("q1", {"b": 0.2, "c": 0.1}, {"a": 1.0}), mined("q2", {"b": 0.2}, {"a": 1.0}),
         mined("q3", {"b": 0.2}, {"a": 1.0})],
    )  # fmt: skip
    found = audited().usage
    assert found.histogram == {"0": 2, "1": 1, "3-4": 1}
    assert (found.never, found.negatives, found.top_share) == (2, 4, 0.75)
    assert found.gini == pytest.approx((1 * 1 + 3 * 3) / (4 * 4))  # 0 0 1 3 with weights -3 -1 1 3
    assert [(one.video_id, one.title, one.times, one.share) for one in found.most] == [
        ("b", "B", 3, 0.75), ("c", "C", 1, 0.25),
    ]  # fmt: skip


def test_mix_of_languages_and_modalities(here: Path) -> None:
    lay(
        here,
        [video("a", language="en", title="t", video_type="raw"), video("b", language="en", video_type="raw"),
         video("c", language="es", caption="c"), video("d")],
        [query("q1", language="en"), query("q2")],
        [mined("q1", {"b": 0.2, "c": 0.1, "d": 0.0}, {"a": 1.0}), mined("q2", {"b": 0.2}, {"a": 1.0})],
        extracted=[media("a", frames="frames/a.png", frames_sha256="a", times=[0.0]),
                   media("b", audio="audio/b.flac", audio_sha256="b")],
        transcripts=[said("b", "one two three"), said("a", "  ")],
    )  # fmt: skip
    found = audited()
    assert found.languages.table == {"en": {"en": 1, "es": 1, "unknown": 1}, "unknown": {"en": 1}}
    assert (found.languages.same, found.languages.known) == (1, 2)
    assert (found.languages.positives_same, found.languages.positives_known) == (1, 1)
    negatives = found.mixes["negatives"]
    assert (negatives.videos, negatives.types) == (4, {"raw": 2, "unknown": 2})
    assert negatives.modalities == {"picture": 0, "sound": 2, "speech": 2, "metadata": 1}
    assert found.mixes["positives"].modalities == {"picture": 2, "sound": 0, "speech": 0, "metadata": 2}
    assert any("near-equal pictures" in note or "frame strip" in note for note in found.notes)  # a's strip is not there


def test_drops_and_training(here: Path) -> None:
    first = MinedQuery(
        "q1", ["a"], [Negative("b", 3, 0.1)],
        [Dropped("a", "positive", 1, 0.5), Dropped("c", "margin", 2, 0.49)], {"a": 0.5},
    )  # fmt: skip
    lay(
        here,
        [video("a", event="e"), video("b"), video("c", event="e")],
        [query("q1", event="e"), query("q2")],
        [first, mined("q2", {}, {"a": 1.0})],
        exposures=[
            Exposure("a", "q1", "positive", [1, 2], 3),
            Exposure("c", "q1", "drawn", [1, 2, 2], 5),
        ],
        keep=2,
    )
    found = audited()
    assert found.drops.counts == {"positive": 1, "margin": 1}
    assert found.drops.ranks["margin"] is not None and found.drops.ranks["margin"].p50 == 2
    assert (found.drops.short, found.drops.none, found.drops.short_by_margin) == (2, 1, 1)
    assert found.training is not None
    drawn = found.training.roles["drawn"]
    assert (drawn.pairs, drawn.times, drawn.videos, drawn.in_batch) == (1, 3, 1, 5)
    assert (found.training.mined_unseen, found.training.drawn_same_event) == (1, 1)


def test_exposures_of_other_negatives_are_not_used(here: Path) -> None:
    corpus = [video("a"), video("b"), video("c")], [query("q")]
    lay(here, *corpus, [mined("q", {"b": 0.1}, {"a": 0.5})], exposures=[Exposure("b", "q", "mined", [1], 0)])
    lay(here, *corpus, [mined("q", {"c": 0.1}, {"a": 0.5})])
    found = audited()
    assert found.training is None
    assert any("taught with other negatives" in note for note in found.notes)


def test_without_training_queries(here: Path) -> None:
    lay(here, [video("a")], [query("t", split="test")], [])
    found = audited()
    assert (found.queries, found.likely_false.negatives, found.usage.gini) == (0, 0, None)
    assert (found.scores.negatives, found.effectiveness) == (None, None)


def test_random_negatives_have_no_scores(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.0}, {"a": None})], source="random")
    found = audited()
    assert (found.scores.negatives, found.scores.gaps, found.margins.checked) == (None, None, 0)
    assert any("random" in note for note in found.notes)
    assert not any("no margin protects" in line for line in found.advice)


def test_negatives_of_another_corpus(here: Path) -> None:
    lay(here, [video("a")], [query("q")], [mined("q", {"gone": 0.1}, {"a": 0.5})])
    with pytest.raises(UserError, match="video gone, which is not in the corpus"):
        audited()


def test_a_changed_file_is_told(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.1}, {"a": 0.5})])
    path = here / "results/mine/negatives.jsonl"
    path.write_text(path.read_text().replace("0.1", "0.2"))
    assert any("negatives.jsonl is not the file" in note for note in audited().notes)
