"""Real processes that share batches learn what one process learns."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.shared.artifacts.exposures import Exposure
from tasks.shared.artifacts.negatives import MinedQuery, Negative
from tasks.shared.runtime.errors import UserError
from tasks.train.inputs import shares
from tasks.train.ranks import Ranks
from tasks.train.rows import Row, exposures_of
from tests.conftest import REPOSITORY
from tests.flows.prefect_server import free_port
from tests.train.ranks_job import VARIANTS
from tests.train.small import BATCHES, ROWS, train, trained
from tests.warm import python

ODD = ("cached", "accumulated")  # on three ranks, of which a batch of one row leaves two without
STEPS = {"accumulated": 2, "checkpointed": 2}


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    """The same trainings in this process, on two ranks as torchrun numbers them, and on three that it started."""
    folders = {count: tmp_path_factory.mktemp(f"ranks{count}") for count in (1, 2, 3)}
    for variant, changes in VARIANTS.items():
        train(folders[1] / variant, Ranks(), **changes)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    ranks = [
        subprocess.Popen(
            [python(), "-m", "tests.train.ranks_job", str(folders[2]), *VARIANTS], cwd=REPOSITORY,
            env=os.environ | address | {"RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for rank in range(2)
    ]  # fmt: skip
    for rank in ranks:
        out, errors = rank.communicate(timeout=900)
        assert (rank.returncode, out.strip()) == (0, "2"), errors
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=3"]
    done = subprocess.run(
        [*torchrun, "-m", "tests.train.ranks_job", str(folders[3]), *ODD], cwd=REPOSITORY,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["3"] * 3
    return folders


@pytest.mark.parametrize(("count", "variant"), [*((2, one) for one in VARIANTS), *((3, one) for one in ODD)])
def test_the_same_losses_and_the_same_adapter(job: dict[int, Path], count: int, variant: str) -> None:
    (alone, expected), (weights, curve) = (trained(job[ranks] / variant) for ranks in (1, count))
    tolerance = 1e-5 if variant != "bfloat16" else 3e-2
    assert len(curve) == STEPS.get(variant, len(BATCHES))
    assert np.array(curve) == pytest.approx(np.array(expected), rel=tolerance)
    assert {weight.dtype for weight in weights.values()} == {torch.float32}
    moved = max((weights[name] - alone[name]).abs().max().item() for name in alone)
    assert moved < (1e-5 if variant != "bfloat16" else 4e-3)


def test_they_learnt_something(job: dict[int, Path]) -> None:
    (one, cached), (other, accumulated) = (trained(job[1] / variant) for variant in ("cached", "accumulated"))
    assert max((one[name] - other[name]).abs().max().item() for name in one) > 1e-4
    mean = sum(loss for loss, _ in cached[:3]) / 3
    assert mean != pytest.approx(accumulated[0][0], rel=1e-6), "three steps are not one"


def test_however_the_loss_is_computed_it_is_the_same(job: dict[int, Path]) -> None:
    (one, curve), (other, others) = (trained(job[2] / variant) for variant in ("cached", "remembered"))
    assert np.array(curve) == pytest.approx(np.array(others), rel=1e-5)
    assert max((one[name] - other[name]).abs().max().item() for name in one) < 1e-5


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_shares_side_by_side_are_the_batch(count: int) -> None:
    dealt = [shares(ROWS, BATCHES, rank, count) for rank in range(count)]
    for number, batch in enumerate(BATCHES):
        together = [row for rank in range(count) for row in dealt[rank][number].rows]
        assert together[: len(batch)] == [ROWS[one] for one in batch]
        assert {row.query_id for row in together[len(batch) :]} <= {ROWS[batch[0]].query_id}
        assert {len(one[number].batch) for one in dealt} == {len(batch)}
        assert len({len(one[number].rows) for one in dealt}) == 1
        assert len(together) - len(batch) < count


def test_exposures_tell_steps_of_the_optimiser_and_negatives_of_the_batch() -> None:
    rows = [Row(f"q{number}", f"v{number}", (f"n{number}",)) for number in range(5)]
    mined = [MinedQuery(f"q{number}", [f"v{number}"], [Negative(f"n{number}", 1, 0.5)], []) for number in range(4)]
    mined.append(MinedQuery("q4", ["v4"], [], []))
    found = exposures_of(rows, [[0, 1, 2], [3, 4], [0]], mined, accumulation_steps=2, contrasted=True)
    assert Exposure("v0", "q0", "positive", [1, 2], 2) in found
    assert Exposure("n3", "q3", "mined", [1], 1) in found
    assert Exposure("n4", "q4", "drawn", [1], 1) in found
    assert len(found) == 10


def test_an_environment_that_numbers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "first", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=r"numbers no ranks \(RANK=first, WORLD_SIZE=2.*start them with torchrun"):
        Ranks.here()
