"""What the page says of videos shown in part: any-to-any retrieval, and fusion at search time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.report.tables import directions_verdict
from tasks.shared.artifacts.directions import AVERAGES, CUTS, DIRECTIONS, Directions, Lead
from tasks.shared.artifacts.scores import read_scores
from tests.report.test_report_page import page_of

Made = Callable[..., Path]


def test_the_table_has_every_direction_and_average_as_scored(made: Made) -> None:
    root = made(events=2, parts=True)
    page = page_of(root)
    assert page.wrong == [] and page.open == []
    scored = read_scores(root / "results" / "evaluate").directions
    assert scored is not None and list(scored.systems) == ["tuned", "base"]
    told = page.text[page.text.index("20 test videos") :]
    for name in (*DIRECTIONS, *AVERAGES):
        cells = []
        for system in ("tuned", "base"):
            low, high = scored.intervals[system][name]
            first, *others = (f"{scored.systems[system][name][cut]:.3f}" for cut in CUTS)
            cells += [first, f"{low:.3f} – {high:.3f}", *others]
        line = told.split(f" {name} ")[1]
        words = line.split(cells[0])[0]
        assert line.startswith(f"{words}{' '.join(cells)}") and len(words) < 30, name
    assert "text to picture" in told and "sound to text and picture" in told and "mean of 12 directions" in told

    fused = page.text[page.text.index("made one score at search time") : page.text.index("20 test videos")]
    for system in ("tuned", "base"):
        assert f"{system} joint 0.500 0.440 – 0.550 {system} weights" in fused
        assert f"{system} weights 0.600 0.540 – 0.650 +0.100 0.020 0.250 0.500 0.250" in fused
        assert f"{system} rrf 0.400 0.340 – 0.450 −0.100 0.300" in fused
        assert f"{system}: nothing is routed: 3 training queries to learn from" in fused
    assert "reciprocal ranks of the modalities" in fused and "predicted from its vector" not in fused


def test_it_is_not_there_where_nobody_asked(scored: Path) -> None:
    text = page_of(scored).text
    assert "Any to any" not in text and "Fusion" not in text


@pytest.mark.parametrize(
    ("lead", "said"),
    [
        (Lead(0.1, 0.01), "Tuned is significantly above base: R@1 over all directions differs by +0.100 (p 0.010)."),
        (Lead(-0.1, 0.01), "Tuned is significantly below base"),
        (Lead(0.1, 0.06), "no significant difference"),
        (None, ""),
    ],
)
def test_the_verdict_is_no_more_than_the_test_allows(lead: Lead | None, said: str) -> None:
    verdict = directions_verdict(Directions(0, {}, {}, lead))
    assert said in verdict and bool(verdict) == bool(said)
