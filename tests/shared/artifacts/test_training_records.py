"""What training leaves behind of itself: its curve, and what it showed otherwise than as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.shared.artifacts.exposures import Altered, read_altered, write_altered
from tasks.shared.artifacts.losses import TABLE, as_metrics, read_losses, write_losses
from tasks.shared.runtime.errors import UserError

STEP = {"step": 1.0, "loss": 0.75, "learning_rate": 0.001, "grad_norm": 2.5}


def test_one_objective_has_no_column_of_its_own(tmp_path: Path) -> None:
    write_losses(tmp_path, [STEP, {"step": 2.0, "loss": 0.5}])
    assert (tmp_path / TABLE).read_text() == "step,loss,learning_rate,grad_norm\n1,0.75,0.001,2.5\n2,0.5,,\n"
    assert read_losses(tmp_path) == [STEP, {"step": 2.0, "loss": 0.5}]


def test_several_have_a_column_each(tmp_path: Path) -> None:
    history = [STEP | {"query": 0.5, "tuple": 0.25}, STEP | {"step": 2.0, "query": 0.25, "tuple": 0.5}]
    write_losses(tmp_path, history)
    assert (tmp_path / TABLE).read_text().splitlines()[:2] == [
        "step,loss,query,tuple,learning_rate,grad_norm", "1,0.75,0.5,0.25,0.001,2.5"
    ]  # fmt: skip
    assert read_losses(tmp_path) == history
    metrics = {"loss": 0.75, "query": 0.5, "tuple": 0.25, "learning_rate": 0.001, "grad_norm": 2.5}
    assert as_metrics(history[0]) == {f"train/{name}": value for name, value in metrics.items()}


@pytest.mark.parametrize("text", ["step,loss,learning_rate\n1,0.5,0.001\n", "step,learning_rate,grad_norm\n1,1,1\n"])
def test_a_curve_without_what_there_always_is(tmp_path: Path, text: str) -> None:
    (tmp_path / TABLE).write_text(text)
    with pytest.raises(UserError, match=r"is not a training curve \(.*restore it with `dvc checkout`"):
        read_losses(tmp_path)


def test_altered_documents_are_read_as_they_were_written(tmp_path: Path) -> None:
    rows = [
        Altered("v2", "q", "dropped", "audio", None, [1, 1]),
        Altered("v1", "q", "swapped", "text", "v3", [2]),
        Altered("v1", "q", "swapped", "text", "v2", [1, 4]),
    ]
    write_altered(tmp_path, rows)
    assert read_altered(tmp_path) == rows[::-1]
    assert read_altered(tmp_path, ["v2"]) == [rows[0], rows[2]], "its own first, then what had something of it"
    assert read_altered(tmp_path, query_ids=["another"]) == []
