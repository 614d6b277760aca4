"""Checkpoints of the tiny base's training, kept in the item store.

A checkpoint is an entry of the store: written whole or not at all, and proved by its digests when it is read. It holds
everything that later steps depend on, as safetensors and JSON: weights, the optimizers' state, the state of torch's
random numbers, and the loss curve so far. Learning rates and batches follow from the number of the step.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file

from tasks.shared.runtime.files import read_json, write_json

if TYPE_CHECKING:
    from tasks.shared.execution.items import ItemStore

History = list[dict[str, float | str]]  # of every step: step, modality, loss
STATE, HISTORY = "state.safetensors", "history.json"
RANDOM = "random"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one training."""

    store: ItemStore  # of the trained models
    key: str  # of the model that is being trained
    interval: int = 20  # steps between two; writing one takes about a quarter of a step

    def save(self, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], history: History) -> None:
        """Write the state after the last step of the history, and remove the checkpoint before it."""
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        for number, optimizer in enumerate(optimizers):
            for index, values in optimizer.state_dict()["state"].items():
                tensors |= {f"optimizer.{number}.{index}.{name}": value for name, value in values.items()}
        tensors[RANDOM] = torch.get_rng_state()

        def write(folder: Path) -> None:
            save_file({name: value.contiguous() for name, value in tensors.items()}, folder / STATE)
            write_json(folder / HISTORY, history)

        self.store.put(self._key(len(history)), write)
        self._remove(len(history) - self.interval)

    def restore(self, model: torch.nn.Module, optimizers: Sequence[torch.optim.Optimizer], steps: int) -> History:
        """Bring an untrained model and its optimizers, in the order saved, to the state of the last checkpoint of so
        many steps; the curve up to there, empty without one."""
        numbers = range(steps - steps % self.interval, 0, -self.interval)
        found = next((entry for step in numbers if (entry := self.store.get(self._key(step)))), None)
        if found is None:
            return []
        tensors = load_file(found / STATE)
        model.load_state_dict(_under(tensors, "model."))
        for number, optimizer in enumerate(optimizers):
            state: dict[int, dict[str, Any]] = {}
            for name, value in _under(tensors, f"optimizer.{number}.").items():
                index, _, part = name.partition(".")
                state.setdefault(int(index), {})[part] = value
            optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        torch.set_rng_state(tensors[RANDOM])
        return read_json(found / HISTORY)

    def clear(self, steps: int) -> None:
        """Remove them all, once the model of so many steps is finished."""
        for step in range(self.interval, steps + 1, self.interval):
            self._remove(step)

    def _key(self, step: int) -> str:
        return self.store.key(self.key, "checkpoint", str(step))

    def _remove(self, step: int) -> None:
        if (entry := self.store.get(self._key(step))) is not None:
            shutil.rmtree(entry, ignore_errors=True)


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
