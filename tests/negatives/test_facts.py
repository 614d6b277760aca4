"""The audit of negatives in numbers that can be worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tasks.lineage.open import workspace
from tasks.negatives.audit import audit_negatives
from tasks.negatives.counts import Count, quantiles
from tasks.negatives.data import read_data
from tasks.negatives.facts import band_of
from tasks.shared.artifacts.corpus import Judgment
from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import Dropped, MinedQuery, Negative
from tasks.shared.runtime.errors import UserError
from tests.negatives.small_results import lay, media, mined, query, said, video


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REELTRACE_STORE", str(tmp_path / "store"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return tmp_path


def audited() -> dict[str, Any]:
    return audit_negatives(read_data(workspace()))


def counts(found: Mapping[str, Count], *names: str) -> list[tuple[int, int]]:
    """How many of how many, of those named."""
    return [(found[name].count, found[name].of) for name in names]


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
        (0.5, [], None),
        (None, [0.5], None),
    ],
)
def test_bands(score: float | None, positives: list[float], band: str | None) -> None:
    assert band_of(score, positives) == band


def test_quantiles() -> None:
    assert quantiles(list(range(101))) == {"count": 101, "p5": 5, "p25": 25, "p50": 50, "p75": 75, "p95": 95}
    assert quantiles([]) is None


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
    names = ("at_or_above", "above_95", "above_own", "unchecked")
    assert counts(found["likely_false"], *names) == [(1, 5), (2, 5), (0, 5), (1, 6)]
    gap = found["scores"]["gap"]
    assert gap is not None
    assert (gap["count"], gap["p50"]) == (5, pytest.approx(0.3))  # of -0.1, 0.02, 0.3, 0.4, 0.7
    assert found["scores"]["positives"] is not None and found["scores"]["positives"]["count"] == 3
    assert found["scores"]["rank"] is not None and found["scores"]["rank"]["p50"] == 1.5
    assert counts(found["usage"], "short", "none") == [(2, 3), (0, 3)]


def test_a_broken_margin_is_told(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.9}, {"a": 0.5})], relative_margin=0.05)
    found = audited()
    assert counts(found["likely_false"], "above_own") == [(1, 1)]
    assert any("verify" in line for line in found["advice"])


def test_events_and_judgments(here: Path) -> None:
    lay(
        here,
        [video("a", event="flood"), video("b", event="flood"), video("c", event="storm"), video("d"),
         video("e", event="storm")],
        [query("q1", event="flood"), query("q2")],
        [mined("q1", {"b": 0.4, "c": 0.3, "d": 0.2}, {"a": 0.5}), mined("q2", {"c": 0.2}, {"a": 0.5})],
        judged=[Judgment("q1", "c", 0), Judgment("q2", "c", 1)],
    )  # fmt: skip
    found = audited()
    names = ("same_event", "judged_irrelevant", "judged_relevant")
    assert counts(found["likely_false"], *names) == [(1, 2), (1, 4), (1, 4)]
    assert found["negatives"] == 4
    assert [(one["query_id"], one["video_id"]) for one in found["suspects"]] == [("q1", "b")]
    assert found["advice"][0].startswith("1 of 4 (25.0%) negatives are judged relevant")


def test_what_serves_how_often(here: Path) -> None:
    lay(
        here,
        [video(name, title=name.upper()) for name in "abcd"],
        [query("q1"), query("q2"), query("q3")],
        [mined("q1", {"b": 0.2, "c": 0.1}, {"a": 1.0}), mined("q2", {"b": 0.2}, {"a": 1.0}),
         mined("q3", {"b": 0.2}, {"a": 1.0})],
    )  # fmt: skip
    found = audited()
    assert counts(found["usage"], "never", "top") == [(2, 4), (3, 4)]
    assert [(one["video_id"], one["title"], one["queries"]) for one in found["most_used"]] == [
        ("b", "B", 3),
        ("c", "C", 1),
    ]


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
    mixes = found["mixes"]
    assert {name: of["negatives"] for name, of in mixes.items()} == {
        "videos": 4, "picture": 0, "sound": 2, "speech": 2, "metadata": 1, "language en": 2, "language es": 1,
        "language unknown": 1, "type raw": 2, "type unknown": 2,
        "in another language than the query": 1, "in the query's language": 1,
    }  # fmt: skip
    assert [mixes[name]["positives"] for name in ("picture", "sound", "speech", "metadata")] == [2, 0, 0, 2]
    assert mixes["in the query's language"]["positives"] == 1
    assert mixes["in another language than the query"]["positives"] == 0
    assert mixes["videos"]["all training videos"] == 4
    assert any(
        "near-equal pictures" in note or "frame strip" in note for note in found["notes"]
    )  # a's strip is not there


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
    names = ("dropped_positive", "dropped_margin", "short", "none", "short_by_margin", "not_shown")
    assert counts(found["usage"], *names) == [(1, 3), (1, 3), (2, 2), (1, 2), (1, 2), (1, 1)]
    assert found["training"] is not None
    assert found["training"]["drawn"] == {"pairs": 1, "times": 3, "videos": 1, "in-batch": 5}
    assert any("2 of 2 (100.0%) queries have fewer than mine.keep = 2" in line for line in found["advice"])
    assert any("drawn at random" in line for line in found["advice"])
    assert any("1 of 1 (100.0%) mined negatives were not shown" in line for line in found["advice"])


def test_exposures_of_other_negatives_are_not_used(here: Path) -> None:
    corpus = [video("a"), video("b"), video("c")], [query("q")]
    lay(here, *corpus, [mined("q", {"b": 0.1}, {"a": 0.5})], exposures=[Exposure("b", "q", "mined", [1], 0)])
    lay(here, *corpus, [mined("q", {"c": 0.1}, {"a": 0.5})])
    found = audited()
    assert found["training"] is None and "not_shown" not in found["usage"]
    assert any("results/train was made from another results/mine" in note for note in found["notes"])


def test_without_training_queries(here: Path) -> None:
    lay(here, [video("a")], [query("t", split="test")], [])
    found = audited()
    assert (found["queries"], found["negatives"], found["usage"]["top"].of) == (0, 0, 0)
    assert (found["scores"]["negatives"], found["effectiveness"]) == (None, None)


def test_random_negatives_have_no_scores(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.0}, {"a": None})], source="random")
    found = audited()
    assert (found["scores"]["negatives"], found["scores"]["gap"]) == (None, None)
    assert counts(found["likely_false"], "at_or_above", "unchecked") == [(0, 0), (1, 1)]
    assert any("random" in note for note in found["notes"])
    assert not any("no margin protects" in line for line in found["advice"])


def test_negatives_of_another_corpus(here: Path) -> None:
    lay(here, [video("a")], [query("q")], [mined("q", {"gone": 0.1}, {"a": 0.5})])
    with pytest.raises(UserError, match="video gone, which is not in the corpus"):
        audited()


def test_a_changed_file_is_told(here: Path) -> None:
    lay(here, [video("a"), video("b")], [query("q")], [mined("q", {"b": 0.1}, {"a": 0.5})])
    path = here / "results/mine/negatives.jsonl"
    path.write_text(path.read_text().replace("0.1", "0.2"))
    assert any("negatives.jsonl is not the file" in note for note in audited()["notes"])
