"""What the page says of any-to-any retrieval."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.report.directions import any_to_any
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


def test_it_is_not_there_where_nobody_asked(scored: Path) -> None:
    assert "Any to any" not in page_of(scored).text


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
    shown = any_to_any(Directions(0, {}, {}, lead))
    assert shown is not None and said in shown.verdict and bool(shown.verdict) == bool(said)
