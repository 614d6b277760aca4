"""The base stage: a base that is only named, and the tiny one, whose training goes on where it was killed."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.base.run import run
from tasks.omni.lora import attach_lora, save_adapter
from tasks.shared.artifacts.models import BaseModel, read_base
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.items import store_folder
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import files_under
from tasks.shared.runtime.progress import Progress
from tests.conftest import Workspace
from tests.omni.conftest import small


def test_a_pretrained_base_is_looked_at_and_named(workspace: Workspace, tmp_path: Path) -> None:
    model = small()
    model.save(str(tmp_path / "base"), create_model_card=False)
    attach_lora(model[0].model, r=4, alpha=8, dropout=0.0, seed=1)
    untrained = tmp_path / "untrained"
    save_adapter(model[0].model, untrained, base="some/base")
    name = {"model": str(tmp_path / "base"), "processor": str(tmp_path / "base"), "adapter": None}
    workspace.set_params({"base.source": "pretrained", **{f"base.{key}": value for key, value in name.items()}})
    manifest = workspace.run("base", run)
    assert read_base() == BaseModel(**name)
    assert list(manifest["outputs"]) == ["results/base/model.json"]
    workspace.set_params({"base.adapter": str(untrained)})
    with pytest.raises(UserError, match=r"lora_B is zero in language_model"):
        workspace.run("base", run)
    workspace.set_params({"base.adapter": None, "retriever.model": "owner/name"})
    with pytest.raises(UserError, match=r"retriever\.model: owner/name is no directory here"):
        workspace.run("base", run)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({"model": None}, "names nothing"),
        (
            {"model": "owner/name"},
            "base.model: owner/name is no directory here, so it is on the hub: set base.revision",
        ),
        (
            {"model": "owner/name", "revision": "0" * 40, "adapter": "owner/lora"},
            "base.adapter: owner/lora is no directory here, so it is on the hub: set base.adapter_revision",
        ),
    ],
    ids=["none", "unpinned", "unpinned adapter"],
)
def test_a_base_that_could_not_be_had_again_is_refused(
    workspace: Workspace, names: dict[str, str | None], words: str
) -> None:
    workspace.set_params({"base.source": "pretrained", **{f"base.{key}": value for key, value in names.items()}})
    with pytest.raises(UserError, match=words):
        workspace.run("base", run)


@pytest.fixture
def brief(workspace: Workspace) -> Workspace:
    """A training of the tiny base in seconds, with one checkpoint."""
    workspace.set_params({"base.steps": 35, "base.batch_size": 2, "extract.size": 28})
    return workspace


def published() -> dict[str, bytes]:
    folder = RESULTS / "base"
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in files_under(folder)}


def items() -> list[Path]:
    return list((store_folder() / "items" / "base").glob("*/[!.]*/entry.json"))


def test_a_killed_training_goes_on_and_ends_in_the_same_bytes(
    brief: Workspace, told: list[Progress], capsys: pytest.CaptureFixture[str]
) -> None:
    brief.run("base", run)
    whole = published()
    assert {"loss.csv", "model/model.safetensors"} <= whole.keys()
    assert len(items()) == 1, "checkpoints are removed when the model is finished"
    for folder in (RESULTS / "base", store_folder() / "items" / "base"):
        shutil.rmtree(folder)

    with subprocess.Popen([sys.executable, "-m", "tasks.base"], cwd=brief.root, stdout=subprocess.DEVNULL) as program:
        while not items() and program.poll() is None:
            time.sleep(0.01)
        program.kill()
    assert program.returncode == -9
    assert not (RESULTS / "base").exists()

    del told[:]
    capsys.readouterr()
    brief.run("base", run)
    out = capsys.readouterr().out
    steps = [one for one in told if one.what == "base"]
    assert (steps[0].done, steps[-1].done, steps[0].total) == (20, 35, 35)
    assert "base: going on after step 20 of 35, from the last checkpoint\n" in out
    assert "base: 0 of 1 trainings reused from the store\n" in out
    assert published() == whole

    del told[:]
    brief.run("base", run)
    assert not [one for one in told if one.what == "base"], "it is trained again"
    assert "base: 1 of 1 trainings reused from the store\n" in capsys.readouterr().out
    assert published() == whole
