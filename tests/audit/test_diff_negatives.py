"""What became of mined videos, and what training showed: real tables of two small states."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.audit.diff.answer import Difference, compare
from tasks.audit.diff.pair import Pair
from tasks.audit.diff.view import show_difference
from tasks.shared.artifacts.exposures import FOLDER, Exposure, write_exposures
from tasks.shared.artifacts.negatives import FILE, Dropped, MinedQuery, Negative, write_negatives
from tests.audit.states import published


def query(name: str, negatives: str, *dropped: Dropped) -> MinedQuery:
    """A query whose negatives are letters, ranked from 1."""
    found = [Negative(letter, rank, 1 - rank / 100) for rank, letter in enumerate(negatives, start=1)]
    return MinedQuery(name, ["P"], found, list(dropped))


def compared(tmp_path: Path, a: list[MinedQuery], b: list[MinedQuery], *shown: list[Exposure]) -> Difference:
    roots = tmp_path / "a", tmp_path / "b"
    for root, mined in zip(roots, (a, b), strict=True):
        write_negatives(root / FILE, mined)
    for root, exposures in zip(roots, shown, strict=False):
        write_exposures(root / FOLDER, exposures)
    return compare(("A", "B"), Pair(*map(published, roots)))


def test_what_became_of_each_negative(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    a = [query("q", "xyz", Dropped("m", "margin", 9, 0.1)), query("only a", "xy"), query("same", "x")]
    b = [query("q", "ym", Dropped("x", "margin", 1, 0.99), Dropped("z", "positive", 3, 0.97)), query("same", "x")]
    found = compared(tmp_path, a, b)
    negatives = found.tables["negatives"]
    assert negatives.equal == 1  # x of `same`
    told = {
        one.key: [row and (row["outcome"], row["rank"], row["score"]) for row in (one.a, one.b)]
        for one in negatives.differ
    }
    assert told == {
        "only a x": [("negative", 1, 0.99), None],
        "only a y": [("negative", 2, 0.98), None],
        "q m": [("dropped: margin", 9, 0.1), ("negative", 2, 0.98)],
        "q x": [("negative", 1, 0.99), ("dropped: margin", 1, 0.99)],
        "q y": [("negative", 2, 0.98), ("negative", 1, 0.99)],
        "q z": [("negative", 3, 0.97), ("dropped: positive", 3, 0.97)],
    }
    show_difference(found, 50)
    cells = [
        [cell.strip() for cell in line.split("  ") if cell.strip()] for line in capsys.readouterr().out.splitlines()
    ]
    for row in (
        ["negatives", "1", "0", "2", "4"],
        ["negative", "not taken", "2"],
        ["dropped: margin", "negative", "1"],
        ["negative", "dropped: margin", "1"],
        ["negative", "dropped: positive", "1"],
        ["q x", "outcome", "negative", "dropped: margin"],
    ):
        assert row in cells


def test_exposures_by_role(tmp_path: Path) -> None:
    a = [
        Exposure("v", "q", "positive", [1, 2], 0),
        Exposure("w", "q", "mined", [1], 0),
        Exposure("x", "q", "mined", [2], 0),
    ]
    b = [Exposure("v", "q", "positive", [1, 3], 0), Exposure("w", "q", "drawn", [1, 1], 0), a[2]]
    found = compared(tmp_path, [query("q", "wx")], [query("q", "wx")], a, b)
    assert "negatives" in found.same
    exposures = found.tables["exposures"]
    assert exposures.equal == 1
    assert [(one.key, one.how, one.a, one.b) for one in exposures.differ] == [
        ("q v positive", "changed", {"steps": [1, 2]}, {"steps": [1, 3]}),
        ("q w drawn", "added", None, {"steps": [1, 1]}),
        ("q w mined", "removed", {"steps": [1]}, None),
    ]
