"""A model that cannot be had is one line, before any work."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tasks.omni.loading import load_embedder
from tasks.shared.runtime.errors import UserError
from tests.omni.conftest import small
from tests.warm import python


def folder(path: Path, **config: object) -> str:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


@pytest.mark.parametrize("name", ["/nowhere/model", "./nowhere", "results/base/model", "nowhere"])
def test_a_missing_directory(name: str) -> None:
    with pytest.raises(UserError, match=f"no model directory {name}; make it, or name a hub id") as caught:
        load_embedder(name)
    assert "\n" not in str(caught.value)


def test_a_hub_out_of_reach(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub.constants
    import huggingface_hub.file_download as download

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert download.hf_hub_download
    with pytest.raises(UserError, match=r"owner/model .*the hub cannot be reached; download it") as caught:
        load_embedder("owner/model", revision="0" * 40)
    assert "\n" not in str(caught.value)


def test_another_kind_of_model(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is a bert, not a qwen2_5_omni_thinker"):
        load_embedder(folder(tmp_path / "bert", model_type="bert"))
    with pytest.raises(UserError, match=r"has no config.json"):
        load_embedder(str(tmp_path))
    with pytest.raises(UserError, match=r"has no tokenizer; name the repository that has it in base\.processor"):
        load_embedder(folder(tmp_path / "bare", model_type="qwen2_5_omni_thinker"))


def test_a_model_is_loaded_without_a_word(tmp_path: Path) -> None:
    small().save(str(tmp_path), create_model_card=False)
    code = f"from tasks.omni.loading import load_embedder; load_embedder({str(tmp_path)!r})"
    done = subprocess.run([python(), "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
