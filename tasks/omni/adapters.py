"""LoRA adapters as files: PEFT directories and hub repositories, read and checked against the model.

Both layouts of the Thinker's modules are known (before transformers 5 the language model was `model`), and an adapter
that would silently do nothing is refused.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

from tasks.omni.pretrained import abbreviated
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.hub import fetch

TARGETS = r"language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
ODD = ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "modules_to_save")  # beyond plain LoRA
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = "default"  # PEFT's name of the only adapter

Update = tuple[torch.Tensor, torch.Tensor]  # A (r, inputs), B (outputs, r)


def read_adapter(
    thinker: Any, name_or_path: str, revision: str | None = None
) -> tuple[dict[str, Any], dict[str, Update]]:
    """An adapter's configuration and its updates by module path.

    Raises UserError where there is none, it is not plain LoRA, it does not fit the Thinker, or it would do nothing.
    """
    config_at, weights_at = (fetch(name_or_path, revision, name) for name in (CONFIG, WEIGHTS))
    if config_at is None or weights_at is None:
        raise UserError(f"{name_or_path} has no {CONFIG} with {WEIGHTS}; name a PEFT adapter in safetensors")
    config: dict[str, Any] = read_json(config_at)
    _check_plain(config, name_or_path)
    return config, _updates_of(thinker, weights_at, config["target_modules"], name_or_path)


def _check_plain(config: dict[str, Any], name: str) -> None:
    odd = [key for key in ODD if config.get(key)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or odd:
        what = ", ".join(odd) or f"{config.get('peft_type')} with bias {config.get('bias')}"
        raise UserError(f"adapter {name} is not plain LoRA ({what}); merge it into its base with PEFT and name that")


def _updates_of(thinker: Any, weights_at: Path, targets: str | list[str], name: str) -> dict[str, Update]:
    """The file's updates by module path, checked against the model; those that do nothing in a tower left out."""
    from safetensors.torch import load_file

    halves: dict[str, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(weights_at).items():
        path, dot, half = key.replace(f".{NAME}.", ".").removesuffix(".weight").rpartition(".lora_")
        if not dot or half not in ("A", "B"):
            raise UserError(f"adapter {name}: {key} is not a LoRA weight; merge it into its base with PEFT")
        halves.setdefault(_current_path(path), {})[half] = tensor

    expected = linear_paths(thinker, TARGETS)
    wanted = [path for path in expected if path in halves or _is_target(targets, path)]
    missing = [path for path in wanted if len(halves.get(path, ())) < 2]
    if missing or not any(path in halves for path in expected):
        raise UserError(f"adapter {name} has no weights for {_name_some(missing or expected)}; name another")
    zero = [path for path in expected if path in halves and not halves[path]["B"].any()]
    if zero:
        raise UserError(f"adapter {name}: lora_B is zero in {_name_some(zero)}; it was never trained, or saved wrongly")

    modules = dict(thinker.named_modules())
    updates: dict[str, Update] = {}
    for path, pair in sorted(halves.items()):
        if path not in expected and "B" in pair and not pair["B"].any():
            continue
        weight = getattr(modules.get(path), "weight", None)
        if weight is None or len(pair) < 2 or (pair["B"].shape[0], pair["A"].shape[1]) != tuple(weight.shape):
            raise UserError(f"adapter {name}: {path} does not fit the model; it is for another model")
        updates[path] = (pair["A"], pair["B"])
    return updates


def _current_path(path: str) -> str:
    """A module's path in today's Thinker without its head, from any layout it has had."""
    path = path.removeprefix("base_model.model.").removeprefix("thinker.")
    path = re.sub(r"^model\.(?=(language_model|visual|audio_tower)\.)", "", path)
    return re.sub(r"^model\.(?=layers\.)", "language_model.", path)


def _is_target(targets: str | list[str], path: str) -> bool:
    """PEFT's rule: targets are a regular expression of all module paths, or a list of endings."""
    if isinstance(targets, str):
        layouts = (path, f"model.{path}", path.replace("language_model.", "model.", 1))
        return any(re.fullmatch(targets, layout) for layout in layouts)
    return any(path == _current_path(target) or path.endswith(f".{target}") for target in targets)


def linear_paths(thinker: Any, pattern: str) -> list[str]:
    return [path for path, _ in thinker.named_modules() if re.fullmatch(pattern, path)]


def _name_some(paths: list[str]) -> str:
    return abbreviated([f"{path}.lora_B" for path in paths])
