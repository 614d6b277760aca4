"""The base stage where the base is only named."""

from pathlib import Path

import pytest

from tasks.base.run import run
from tasks.omni.lora import attach_lora, save_adapter
from tasks.shared.artifacts.models import BaseModel, read_base
from tasks.shared.runtime.errors import UserError
from tests.conftest import Workspace
from tests.omni.conftest import small


def test_a_pretrained_base_is_looked_at_and_named(workspace: Workspace, tmp_path: Path) -> None:
    model = small()
    model.save(str(tmp_path / "base"), create_model_card=False)
    attach_lora(model, r=4, alpha=8, dropout=0.0, seed=1)
    untrained = tmp_path / "untrained"
    save_adapter(model, untrained, base="some/base")
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
        ({"model": "owner/name"}, "base.model owner/name has no revision"),
        (
            {"model": "owner/name", "revision": "0" * 40, "adapter": "owner/lora"},
            "base.adapter owner/lora has no revision",
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
