"""What base and train hold, and the systems that follow."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tasks.shared.artifacts.models import (
    BaseModel,
    System,
    Training,
    read_base,
    read_training,
    systems,
    write_base,
    write_training,
)
from tasks.shared.runtime.errors import UserError


def published(root: Path, base: BaseModel, *, adapter: bytes | None) -> Path:
    for name in ("base", "train"):
        (root / name).mkdir(parents=True, exist_ok=True)
    write_base(root / "base", base)
    write_training(root / "train", Training(adapter is not None))
    if adapter is not None:
        (root / "train" / "adapter").mkdir(exist_ok=True)
        (root / "train" / "adapter" / "adapter_model.safetensors").write_bytes(adapter)
    return root


def test_tuned_comes_first_and_its_adapter_replaces_the_bases(tmp_path: Path) -> None:
    base = BaseModel("Owner/Thinker", "abc", "Owner/Processor", "123", "Owner/adapter", "def")
    root = published(tmp_path, base, adapter=b"1")
    assert systems(root) == [
        System("Owner/Thinker", "abc", "Owner/Processor", "123", str(root / "train" / "adapter"), None, "tuned"),
        System("Owner/Thinker", "abc", "Owner/Processor", "123", "Owner/adapter", "def"),
    ]
    write_training(root / "train", Training(False, "nothing to train on"))
    assert [system.name for system in systems(root)] == ["base"]
    assert read_training(root).reason == "nothing to train on"


def test_a_model_under_results_is_found_where_the_results_are(tmp_path: Path) -> None:
    root = published(tmp_path / "elsewhere", BaseModel("results/base/model"), adapter=None)
    assert read_base(root).model == str(root / "base" / "model")


def test_a_digest_follows_the_weights_and_not_their_place(tmp_path: Path) -> None:
    digests = []
    for place, weights, adapter in (("a", b"w", b"1"), ("b", b"w", b"1"), ("c", b"x", b"1"), ("d", b"w", b"2")):
        root = published(tmp_path / place, BaseModel("results/base/model"), adapter=adapter)
        (root / "base" / "model").mkdir()
        (root / "base" / "model" / "model.safetensors").write_bytes(weights)
        digests.append([system.digest() for system in systems(root)])
    assert digests[0] == digests[1]
    assert digests[0][0] not in digests[2] + digests[3]
    assert digests[3][1] == digests[0][1] != digests[2][1]


def test_hub_ids_need_a_revision(tmp_path: Path) -> None:
    pinned = System("Owner/Thinker", "abc", "Owner/Processor", "123", "Owner/adapter", "def")
    named = asdict(pinned)
    changed = [pinned, *(System(**named | {key: "other"}) for key in named if key != "name")]
    assert len({one.digest() for one in changed}) == len(changed), "whatever is named differently"
    with pytest.raises(UserError, match=r"base.adapter: Owner/adapter .*set base.adapter_revision"):
        replace(pinned, adapter_revision=None).digest()


def test_a_lost_adapter_is_said(tmp_path: Path) -> None:
    root = published(tmp_path, BaseModel("m"), adapter=b"1")
    (root / "train" / "adapter").rename(root / "gone")
    with pytest.raises(UserError, match="adapter is missing; restore it"):
        systems(root)
