"""What the base and train artifacts hold, and the systems that follow from them.

`results/base/model.json` names the starting model: a directory (for the embedded default `results/base/model`) or a
hub id with a revision, and for a published retriever the adapter that it starts from. `results/train/trained.json` says
whether there was anything to train on; where there was, `results/train/adapter/` is the PEFT directory. It takes the
place of the base's adapter, from which training goes on: never both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from tasks.shared.artifacts.tables import read_record
from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json, write_json
from tasks.shared.runtime.models import Model

MODEL = "model.json"
TRAINED = "trained.json"
ADAPTER = "adapter"


@dataclass(frozen=True)
class BaseModel:
    """The starting model, and where its tokenizer is, when not beside it, and its adapter: directories, or hub ids with
    revisions."""

    model: str
    revision: str | None = None
    processor: str | None = None
    processor_revision: str | None = None
    adapter: str | None = None
    adapter_revision: str | None = None


@dataclass(frozen=True)
class Training:
    """Whether an adapter was trained, and if not, why."""

    trained: bool
    reason: str | None = None


@dataclass(frozen=True)
class System(BaseModel):
    """A retriever that can encode: the weights that make it, and its name (`tuned` or `base`)."""

    name: str = "base"

    def digest(self) -> str:
        """sha256 that identifies weights and tokenizer: of directories by their files, of hub ids by their revision.
        Raises UserError where a name is neither a directory nor a hub id with a revision."""
        weights = [_weights("model", self.model, self.revision)]
        if self.processor is not None:
            weights.append("tokenizer " + _weights("processor", self.processor, self.processor_revision))
        if self.adapter is not None:
            weights.append(_weights("adapter", self.adapter, self.adapter_revision))
        return sha256_json(weights)


def _weights(param: str, name: str, revision: str | None) -> str:
    _check_pinned(param, name, revision)
    return Model(name, name, None if Path(name).is_dir() else revision).digest()


def _check_pinned(param: str, name: str | None, revision: str | None) -> None:
    if name is not None and revision is None and not Path(name).is_dir():
        pin = "base.revision" if param == "model" else f"base.{param}_revision"
        raise UserError(f"base.{param}: {name} is no directory here, so it is on the hub: set {pin} to its commit")


def named_base(params: Mapping[str, Any]) -> BaseModel:
    """The starting model that the section `base` of params names. Raises UserError where it names none, or a part of it
    by a hub id without a revision."""
    base = BaseModel(**{field.name: params[field.name] for field in fields(BaseModel)})
    if not base.model:
        raise UserError("base.source is pretrained and base.model names nothing; give a hub id or a directory")
    _check_pinned("model", base.model, base.revision)
    _check_pinned("processor", base.processor, base.processor_revision)
    _check_pinned("adapter", base.adapter, base.adapter_revision)
    return base


def write_base(folder: Path, base: BaseModel) -> None:
    """Write `model.json` into the base stage's folder."""
    write_json(folder / MODEL, asdict(base))


def read_base(root: Path = RESULTS) -> BaseModel:
    """The starting model of a results folder; what lies under `results/` is found where that folder is."""
    base = read_record(BaseModel, root / "base" / MODEL, "base")
    path = Path(base.model)
    return replace(base, model=str(root / path.relative_to(RESULTS))) if RESULTS in path.parents else base


def write_training(folder: Path, training: Training) -> None:
    """Write `trained.json` into the train stage's folder."""
    write_json(folder / TRAINED, asdict(training))


def read_training(root: Path = RESULTS) -> Training:
    """Whether a results folder holds a trained adapter. UserError where it says so and the adapter is not there."""
    training = read_record(Training, root / "train" / TRAINED, "train")
    if training.trained and not (root / "train" / ADAPTER).is_dir():
        raise UserError(f"{root / 'train' / ADAPTER} is missing; restore it with `dvc checkout` or `dvc repro`")
    return training


def systems(root: Path = RESULTS) -> list[System]:
    """The systems a results folder holds, the final one first: tuned where an adapter was trained, then base."""
    base = base_system(root)
    if not read_training(root).trained:
        return [base]
    return [replace(base, name="tuned", adapter=str(root / "train" / ADAPTER), adapter_revision=None), base]


def base_system(root: Path = RESULTS) -> System:
    """The system before training: the starting model, with its own adapter where it has one."""
    return System(**asdict(read_base(root)))
