"""The base stage where the base is only named."""

import pytest

from tasks.base.run import run
from tasks.shared.artifacts.models import BaseModel, read_base
from tasks.shared.errors import UserError
from tests.conftest import Workspace


def test_a_pretrained_base_is_only_named(workspace: Workspace) -> None:
    name = {"model": "Tevatron/Qwen2.5-Omni-7B-Thinker", "revision": "0" * 40, "adapter": "Tevatron/OmniEmbed-v0.1"}
    name["adapter_revision"] = "1" * 40
    workspace.set_params({"base.source": "pretrained", **{f"base.{key}": value for key, value in name.items()}})
    manifest = workspace.run("base", run)
    assert read_base() == BaseModel(**name)
    assert list(manifest["outputs"]) == ["results/base/model.json"]


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
