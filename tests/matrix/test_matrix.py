"""The matrix and its claims on invented scores."""

from __future__ import annotations

import csv
import io
from itertools import combinations

import numpy as np
import pytest

from tasks.evaluate.significance import interval
from tasks.matrix.claims import claims, shares
from tasks.matrix.matrix import Cell, Matrix, Subset, matrix_of
from tasks.matrix.pages import as_csv, as_markdown, heat_map
from tasks.shared.artifacts.scores import MEASURES, QueryScores
from tasks.shared.artifacts.types import MODALITIES
from tasks.shared.runtime.errors import UserError

SUBSETS: list[Subset] = [one for size in (1, 2, 3) for one in combinations(MODALITIES, size)]
ALL = SUBSETS[-1]
QUERIES = 40


def cell(trained: Subset, indexed: Subset, values: np.ndarray, base: float = 0.1) -> Cell:
    scores = [
        QueryScores(f"q{number:02d}", system, dict.fromkeys(MEASURES, float(one)))
        for number, value in enumerate(values)
        for system, one in (("tuned", value), ("base", base))
    ]
    return Cell(trained, indexed, f"{'+'.join(trained)}-{'+'.join(indexed)}", "c" * 40, scores)


def grid(of_row: float, of_column: float, noise: float = 0.02) -> list[Cell]:
    """All 49, in no good order: the more modalities the better, by so much in training and in the index."""
    rng = np.random.default_rng(3)
    easy = rng.uniform(0, 0.3, QUERIES)
    cells = [
        cell(row, column, easy + of_row * len(row) + of_column * len(column) + noise * rng.standard_normal(QUERIES))
        for row in SUBSETS
        for column in SUBSETS
    ]
    return cells[::-1]


@pytest.fixture(scope="module")
def matrix() -> Matrix:
    return matrix_of(grid(0.02, 0.1), 400, 7)


def test_cells_and_paired_differences_are_those_of_the_evaluate_stage(matrix: Matrix) -> None:
    assert matrix.rows == matrix.columns == SUBSETS and matrix.queries == QUERIES
    of = {
        (one.trained, one.indexed): np.array([each.values["nDCG@10"] for each in one.scores if each.system == "tuned"])
        for one in grid(0.02, 0.1)
    }
    first, other = (("text",), ("video", "audio")), (ALL, ALL)
    assert matrix.number(first).value == pytest.approx(of[first].mean())
    assert matrix.number(first).interval == interval(of[first].tolist(), 400, 7)
    difference = matrix.difference(other, first)
    assert difference.interval == pytest.approx(interval((of[other] - of[first]).tolist(), 400, 7))
    unpaired = matrix.number(other).interval[1] - matrix.number(other).interval[0]
    assert difference.interval[1] - difference.interval[0] < unpaired  # what makes a query easy cancels out
    assert matrix.number(((), ("text",))).value == pytest.approx(0.1)


def test_shares_are_those_of_least_squares() -> None:
    table = np.random.default_rng(5).normal(size=(4, 6))

    def explained(*factors: np.ndarray) -> float:
        design = np.column_stack([np.ones(24), *factors])
        fitted = design @ np.linalg.lstsq(design, table.ravel(), rcond=None)[0]
        return float(((fitted - table.mean()) ** 2).sum() / ((table - table.mean()) ** 2).sum())

    rows, columns = np.repeat(np.eye(4), 6, axis=0), np.tile(np.eye(6), (4, 1))
    found = [one[0] for one in shares(table[None]).values()]
    assert found == pytest.approx([explained(rows), explained(columns), 1 - explained(rows, columns)])
    additive = np.arange(3)[:, None] + 10 * np.arange(2)[None, :]
    assert [one[0] for one in shares(additive[None]).values()] == pytest.approx([4 / 154, 150 / 154, 0])


def test_claims_that_hold(matrix: Matrix) -> None:
    non_text, together, inference = claims(matrix)
    assert non_text.verdict == "holds: non-text alone is even ahead"
    assert list(non_text.numbers)[:2] == [
        "video+audio less text, each trained on itself", "video+audio less text, both trained on everything"
    ]  # fmt: skip
    assert non_text.numbers["video less text, both trained on everything"].interval[0] < 0
    assert together.verdict == "holds: surely ahead of 48 of the 48 other cells"
    assert inference.verdict == "holds"
    inferred, trained, interplay, more = inference.numbers.values()
    assert inferred.value + trained.value + interplay.value == pytest.approx(1)
    assert inferred.value > 0.9 and more.value == pytest.approx(inferred.value - trained.value)
    assert more.interval[0] < more.value < more.interval[1]


def test_claims_that_do_not_hold() -> None:
    non_text, together, inference = claims(matrix_of(grid(-0.1, -0.02), 300, 7))
    assert non_text.verdict == "does not hold: text alone is ahead"
    assert together.verdict.startswith("does not hold: ")
    assert together.verdict.endswith("scores more; surely ahead of 0 of the 48 other cells")
    assert inference.verdict == "does not hold: training decides more"
    equal = claims(matrix_of(grid(0, 0, noise=0), 100, 7))
    assert [one.verdict for one in equal[1:]] == [
        "does not hold: text searched by text scores as much; surely ahead of 0 of the 48 other cells",
        "cannot be said: the cells do not differ",
    ]


def test_a_claim_without_its_cells_says_which() -> None:
    cells = [one for one in grid(0.02, 0.1) if (one.trained, one.indexed) != (("text",), ("text",))]
    verdicts = [one.verdict for one in claims(matrix_of(cells, 100, 7))]
    lacking = "cannot be said: the grid lacks the cell text searched by text"
    assert verdicts == [lacking, "holds: surely ahead of 47 of the 47 other cells", lacking]
    alone = claims(matrix_of([cell(ALL, ALL, np.ones(3))], 100, 7))
    assert alone[1].verdict == "cannot be said: there is no other cell"


def test_other_queries_and_nothing_trained_are_one_line() -> None:
    with pytest.raises(UserError, match="different queries"):
        matrix_of([cell(ALL, ALL, np.ones(3)), cell(ALL, ("text",), np.ones(4))], 100, 7)
    untrained = cell(ALL, ALL, np.ones(3))
    untrained.scores[:] = [one for one in untrained.scores if one.system == "base"]
    with pytest.raises(UserError, match=r"experiment text\+video\+audio-.* has no scores of tuned"):
        matrix_of([untrained], 100, 7)


def test_pages(matrix: Matrix) -> None:
    cells = [one for one in grid(0.02, 0.1) if (one.trained, one.indexed) != (("text",), ("text",))]
    part = matrix_of(cells, 400, 7)
    rows = list(csv.DictReader(io.StringIO(as_csv(part, cells))))
    assert len(rows) == 48 + 7 and sum(row["trained"] == "not trained" for row in rows) == 7
    one = next(row for row in rows if (row["trained"], row["indexed"]) == ("video", "text+audio"))
    number = matrix.number((("video",), ("text", "audio")))
    assert float(one["nDCG@10"]) == pytest.approx(number.value, abs=1e-6)
    assert [float(one["low"]), float(one["high"])] == pytest.approx(number.interval, abs=1e-6)
    assert (one["queries"], one["experiment"], one["commit"]) == ("40", "video-text+audio", "c" * 40)

    page = as_markdown(part, claims(part), "abcdef0123456789")
    table = [line for line in page.splitlines() if line.startswith("| ")][:9]
    assert {line.count("|") for line in table} == {9}
    assert table[3].startswith("| text |  |") and "commit `abcdef01`" in page
    assert f"{number.value:.3f} ({number.interval[0]:.3f} to {number.interval[1]:.3f})" in page
    assert "**Cannot be said: the grid lacks the cell text searched by text.**" in page
    assert heat_map(matrix_of(cells[:4], 100, 7)).startswith(b"\x89PNG\r\n\x1a\n")
