"""LoRA on the language model: attach, save as a PEFT directory, load, or merge without PEFT.

The towers are never targets: bare projection names would match them too, so targets are whole module paths.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from tasks.omni.adapters import CONFIG, NAME, TARGETS, WEIGHTS, Update, linear_paths, read_adapter
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import write_json


def attach_lora(thinker: Any, *, r: int, alpha: int, dropout: float, seed: int) -> None:
    """Put a fresh adapter on the language model, and freeze everything else.

    Rank `r`; the update is scaled by alpha / r; dropout is on the adapter's input, in training; the seed decides the A
    matrices, B starts at zero, so the embeddings do not change yet.
    """
    _inject(thinker, {"r": r, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": TARGETS}, seed)


def has_adapter(thinker: Any) -> bool:
    """Whether an adapter is attached (not merged)."""
    return bool(getattr(thinker, "peft_config", None))


def load_adapter(thinker: Any, name_or_path: str, revision: str | None = None, *, merge: bool = False) -> None:
    """Load a LoRA adapter, a PEFT directory or hub id, onto its base, which has none.

    `merge` adds the update into the weights: nothing to train, no PEFT import, the fastest to encode with. Otherwise
    the adapter stays apart and is all that can be trained. Raises UserError as `read_adapter` does.
    """
    config, updates = read_adapter(thinker, name_or_path, revision)
    if merge:
        r, alpha = config["r"], config["lora_alpha"]
        _merge(thinker, updates, alpha / math.sqrt(r) if config.get("use_rslora") else alpha / r)
        return
    everywhere = set(updates) == set(linear_paths(thinker, TARGETS))
    kept = {key: config[key] for key in ("r", "lora_alpha", "lora_dropout")}
    kept["use_rslora"] = config.get("use_rslora", False)
    _inject(thinker, {**kept, "target_modules": TARGETS if everywhere else sorted(updates)}, seed=0)
    modules = dict(thinker.named_modules())
    with torch.no_grad():
        for path, (a, b) in updates.items():
            modules[path].lora_A[NAME].weight.copy_(a)
            modules[path].lora_B[NAME].weight.copy_(b)


def save_adapter(thinker: Any, path: Path, base: str, base_revision: str | None = None) -> None:
    """Write the adapter as a PEFT directory: adapter_config.json and adapter_model.safetensors.

    `base` is what it is an adapter of: hub id or directory, recorded as given.
    """
    from safetensors.torch import save_file

    if not has_adapter(thinker):
        raise UserError("the model has no adapter to save; attach or load one first")
    tensors = {
        f"base_model.model.{name}".replace(f".{NAME}.", "."): parameter.detach().cpu().contiguous()
        for name, parameter in thinker.named_parameters()
        if ".lora_" in name
    }
    config = thinker.peft_config[NAME].to_dict()
    config = {key: sorted(value) if isinstance(value, set) else value for key, value in config.items()}
    config |= {"base_model_name_or_path": base, "revision": base_revision, "inference_mode": True}
    path.mkdir(parents=True, exist_ok=True)
    save_file(tensors, path / WEIGHTS, metadata={"format": "pt"})
    write_json(path / CONFIG, config)


def _inject(thinker: Any, config: dict[str, Any], seed: int) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    if has_adapter(thinker):
        raise UserError("the model has an adapter already; load its base afresh, or merge the first adapter")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inject_adapter_in_model(LoraConfig(**config), thinker, adapter_name=NAME)
    for name, parameter in thinker.named_parameters():
        parameter.requires_grad_(".lora_" in name)
        if parameter.requires_grad:
            parameter.data = parameter.data.float()  # small steps are lost in half precision, whatever the base's


def _merge(thinker: Any, updates: dict[str, Update], scale: float) -> None:
    modules = dict(thinker.named_modules())
    with torch.no_grad():
        for path, (a, b) in updates.items():
            weight: torch.Tensor = modules[path].weight
            update = b.to(weight.device, torch.float32) @ a.to(weight.device, torch.float32)
            weight.copy_(weight.float() + scale * update)
