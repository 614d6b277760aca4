"""LoRA on the language model: attach, save as a PEFT directory, read and check against the model, load, or merge.

The towers are never targets: bare projection names would match them too, so targets are whole module paths. Both
layouts of the Thinker's modules are known (before transformers 5 the language model was `model`), and an adapter that
would silently do nothing is refused.
"""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import torch

from tasks.omni.pretrained import abbreviated
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, write_json
from tasks.shared.runtime.hub import fetch

TARGETS = r"language_model\.layers\.\d+\.(self_attn\.[qkvo]_proj|mlp\.(gate|up|down)_proj)"
ODD = ("use_dora", "rank_pattern", "alpha_pattern", "fan_in_fan_out", "modules_to_save")  # beyond plain LoRA
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
NAME = "default"  # PEFT's name of the only adapter

Update = tuple[torch.Tensor, torch.Tensor]  # A (r, inputs), B (outputs, r)


def attach_lora(thinker: Any, *, r: int, alpha: int, dropout: float, seed: int) -> None:
    """Put a fresh adapter on the language model, and freeze everything else. Rank `r`; the update is scaled by alpha /
    r; dropout is on the adapter's input, in training; the seed decides the A matrices, B starts at zero, so the
    embeddings do not change yet."""
    _inject(thinker, {"r": r, "lora_alpha": alpha, "lora_dropout": dropout, "target_modules": TARGETS}, seed)


def has_adapter(thinker: Any) -> bool:
    """Whether an adapter is attached (not merged)."""
    return bool(getattr(thinker, "peft_config", None))


def load_adapter(thinker: Any, name_or_path: str, revision: str | None = None, *, merge: bool = False) -> None:
    """Load a LoRA adapter, a PEFT directory or hub id, onto its base, which has none. `merge` adds the update into the
    weights: nothing to train, no PEFT import, the fastest to encode with. Otherwise the adapter stays apart and is all
    that can be trained. Raises UserError as `read_adapter` does."""
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
    """Write the adapter as a PEFT directory: adapter_config.json and adapter_model.safetensors. `base` is what it is an
    adapter of: hub id or directory, recorded as given."""
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


def read_adapter(
    thinker: Any, name_or_path: str, revision: str | None = None
) -> tuple[dict[str, Any], dict[str, Update]]:
    """An adapter's configuration and its updates by module path. Raises UserError where there is none, it is not plain
    LoRA, it does not fit the Thinker, or it would do nothing."""
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
