"""The flow of a grid in this process, with DVC's answers given: what a failure costs, what is compared."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import StateType
from prefect.states import Cancelling

from flows import cancellation, cells
from flows import experiments as module
from flows.cells import Cell
from flows.checkout import Checkout
from flows.comparison import plot, table
from flows.experiments import experiments
from tasks.shared.artifacts.scores import read_scores
from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.repro import StageFailedError
from tests.flows.fake_dvc import FakeDvc, Tick, write_score
from tests.flows.runs import run_here
from tests.flows.small import Small

GRID = {"mine.keep": [5, 6], "evaluate.depth": [300, 400]}


@pytest.fixture
def checkouts(dvc: FakeDvc, here: Small, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """Cells run in copies of the project instead of worktrees; the copies that are there now."""
    present: list[Path] = []

    @contextmanager
    def copied(commit: str, overrides: dict[str, Any], what: str, root: Path) -> Iterator[Checkout]:
        place = tmp_path / f"cell-{overrides['mine.keep']}-{overrides.get('evaluate.depth')}"
        shutil.copytree(here.root, place, symlinks=True, ignore=shutil.ignore_patterns(".git", ".dvc"))
        change_params(overrides, place / "params.yaml")
        present.append(place)
        yield Checkout(place, {}, lock=1)
        present.remove(place)

    monkeypatch.setattr(cells, "worktree_checkout", copied)
    monkeypatch.setattr(cells, "save_experiment", lambda checkout, name, message: None)
    return present


def keep(root: Path) -> int:
    """The cell's value of mine.keep."""
    return int(root.name.split("-")[1])


def test_a_cell_that_fails_costs_only_those_that_need_it(here: Small, dvc: FakeDvc, checkouts: list[Path]) -> None:
    def train(root: Path, tick: Tick) -> None:
        if keep(root) == 5:
            raise StageFailedError("train", "no more memory", retryable=False)

    dvc.during = {"train": train, "evaluate": lambda root, tick: write_score(root, 0.3)}
    ran = run_here(experiments, grid=GRID)
    assert ran.code == 1
    assert {stage: dvc.asked.count(stage) for stage in ("mine", "train", "evaluate")} == {
        "mine": 3, "train": 3, "evaluate": 2
    }  # fmt: skip
    rows = json.loads(ran.artifacts["comparison"].data)  # type: ignore[arg-type]
    assert [row["nDCG@10"] for row in rows] == ["", "", "0.3000", "0.3000"]
    assert rows[1]["failed"] == "it needs train of keep=5 depth=300, which failed"
    assert ran.message == "2 of 4 cells failed, the first: train: no more memory"
    assert checkouts == []


def test_cancelling_ends_every_cell(
    here: Small, dvc: FakeDvc, checkouts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cancellation, "ASK_SECONDS", 0.0)

    def mine(root: Path, tick: Tick) -> None:
        from prefect.client.orchestration import get_client
        from prefect.runtime import flow_run

        if keep(root) == 5:
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(flow_run.id, Cancelling())
        while True:
            tick()

    dvc.during = {"mine": mine}
    ran = run_here(experiments, grid={"mine.keep": [5, 6]}, parallel=2)
    assert ran.run.state and ran.run.state.type == StateType.CANCELLED
    assert "train" not in dvc.asked and checkouts == []


@pytest.mark.parametrize(
    ("grid", "line"),
    [
        ({}, 'grid: no key to vary; name one, as {"train.epochs": [1, 2]}'),
        ({"mine.keep": []}, "grid: mine.keep needs a list of values, as mine.keep: [1, 2]; it has []"),
        ({"mine.keep": [1, 1]}, "grid: mine.keep names a value twice; take one of them out"),
        ({"mine.kep": [1, 2]}, "a cell of the grid: unknown key mine.kep; did you mean keep?"),
        ({"mine.keep": [1, -2]}, "a cell of the grid: mine.keep = -2: input should be greater than or equal to 0"),
        ({"flows.retries": [1, -2]}, "a cell of the grid: flows.retries = -2: input should be greater than or equal"),
    ],
)
def test_a_wrong_grid_is_one_line_before_anything_runs(
    here: Small, dvc: FakeDvc, grid: dict[str, list[Any]], line: str
) -> None:
    ran = run_here(experiments, grid=grid)
    assert ran.code == 1 and ran.states == {} and dvc.asked == []
    assert ran.message.startswith(line)


def test_no_stage_at_a_time_is_one_line(here: Small, dvc: FakeDvc) -> None:
    ran = run_here(experiments, grid={"mine.keep": [1, 2]}, parallel=-1)
    assert ran.code == 1 and ran.message.startswith("parallel: -1: at least one stage at a time")


def test_what_is_not_json_on_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(sys, "argv", ["experiments", "{mine.keep: 1}"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 2 and "GRID is not JSON" in capsys.readouterr().err


@pytest.mark.parametrize("keys", [["mine.keep"], ["mine.keep", "evaluate.depth"]])
def test_a_plot_of_cells_with_and_without_a_score(here: Small, keys: list[str]) -> None:
    from io import BytesIO

    from PIL import Image

    scores = read_scores(here.root / "results" / "evaluate")
    values = [(keep, depth) for keep in (5, 6) for depth in ((300, 400) if len(keys) == 2 else (300,))]
    drawn = [
        Cell(f"keep={value[0]}", dict(zip(keys, value, strict=False)), "a name", scores=scores) for value in values
    ]
    drawn[0].scores, drawn[0].failed = None, "it failed"
    assert [row["nDCG@10"] for row in table(drawn)] == ["", *["0.2700"] * (len(drawn) - 1)]
    with Image.open(BytesIO(plot(drawn))) as picture:
        assert picture.format == "PNG" and len(picture.convert("RGB").getcolors(1 << 24) or []) > 20
