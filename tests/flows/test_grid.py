"""A grid's cells, and who computes what."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
import yaml

from flows.grid import Unit, cells_of, units_of
from tasks.shared.execution.params import checked_params
from tasks.shared.execution.params_file import overridden
from tasks.shared.execution.pipeline import downstream_of, order_of, parents_of, read_stages
from tasks.shared.runtime.errors import UserError
from tests.project import ROOT

RAW = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
SPECS = read_stages(checked_params(RAW, "params.yaml"), ROOT / "dvc.yaml")


def units(grid: dict[str, list[Any]]) -> list[Unit]:
    cells = [checked_params(overridden(RAW, one), "cell") for one in cells_of(grid)]
    return units_of(cells, SPECS)


def test_every_combination_the_last_key_fastest() -> None:
    assert cells_of({"a": [1, 2], "b": ["x", "y"]}) == [
        {"a": 1, "b": "x"}, {"a": 1, "b": "y"}, {"a": 2, "b": "x"}, {"a": 2, "b": "y"}
    ]  # fmt: skip


def test_a_value_in_another_order_is_no_other_where_order_means_nothing() -> None:
    with pytest.raises(UserError, match=r"train\.modalities names a value twice"):
        cells_of({"train.modalities": [["text", "audio"], ["audio", "text"]]})
    assert len(cells_of({"document.test_text": [["title", "caption"], ["caption", "title"]]})) == 2


def test_seven_by_seven_modalities_are_seven_trainings() -> None:
    subsets = [list(one) for size in (1, 2, 3) for one in combinations(["text", "video", "audio"], size)]
    found = units({"train.modalities": subsets, "encode.modalities": subsets})
    owned = [stage for unit in found if unit.owned for stage in unit.stages]
    counts = {stage: owned.count(stage) for stage in SPECS}
    assert counts["mine"] == counts["base"] == 1
    assert counts["train"] == 7
    assert counts["encode"] == counts["evaluate"] == counts["report"] == 49


def test_makers_come_before_readers() -> None:
    order = order_of(SPECS)
    assert sorted(order) == sorted(SPECS)
    for stage, makers in parents_of(SPECS).items():
        assert all(order.index(maker) < order.index(stage) for maker in makers)


def test_what_cells_share_is_owned_by_one() -> None:
    found = units({"mine.source": ["dense", "bm25", "random"], "evaluate.depth": [500, 1000]})
    owned = [(unit.cell, stage) for unit in found if unit.owned for stage in unit.stages]
    counts = {stage: sum(one == stage for _, one in owned) for stage in SPECS}
    expected = dict.fromkeys(SPECS, 1) | dict.fromkeys(downstream_of(SPECS, "mine"), 3)
    assert counts == expected | dict.fromkeys(downstream_of(SPECS, "evaluate"), 6)


def test_every_cell_has_every_stage_once_in_order_and_nothing_before_what_it_needs() -> None:
    order = order_of(SPECS)
    subsets = [list(one) for size in (1, 2, 3) for one in combinations(["caption", "title", "transcript"], size)]
    found = units({"document.test_text": subsets, "train.epochs": [1, 2], "extract.frames": [8, 24]})
    for cell in range(28):
        assert [stage for unit in found if unit.cell == cell for stage in unit.stages] == order
    for number, unit in enumerate(found):
        assert all(earlier < number for earlier in unit.after)
    restored = [unit for unit in found if not unit.owned]
    for unit in restored:
        makers = [found[earlier] for earlier in unit.after if found[earlier].owned and found[earlier].cell != unit.cell]
        assert {stage for one in makers for stage in one.stages} == set(unit.stages)


def test_a_value_that_no_stage_reads_makes_no_work() -> None:
    found = units({"flows.parallel": [1, 2]})
    assert [unit.owned for unit in found] == [True] * len(SPECS) + [False]
