"""What the base and train artifacts hold, and the systems that follow from them.

`results/base/model.json` names the starting model: a directory (for the embedded default `results/base/model`) or a
hub id with a revision, and for a published retriever the adapter that it starts from.
`results/train/trained.json` says whether there was anything to train on; where there was, `results/train/adapter/`
is the PEFT directory. That adapter is complete by itself: training goes on from the base's adapter where there is
one, so the tuned model is the model with the trained adapter in place of the base's, never both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json, sha256_json, write_json
from tasks.shared.runtime.models import Model

T = TypeVar("T")

MODEL = "model.json"
TRAINED = "trained.json"
ADAPTER = "adapter"


@dataclass(frozen=True)
class BaseModel:
    """The starting model: directory or hub id, revision of a hub id; where its tokenizer is, when not beside it, and
    the adapter on it, named the same way."""

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
class System:
    """A retriever that can encode: its name (`tuned` or `base`) and the weights that make it."""

    name: str
    model: str
    revision: str | None
    processor: str | None
    processor_revision: str | None
    adapter: str | None
    adapter_revision: str | None

    def digest(self) -> str:
        """sha256 that identifies weights and tokenizer, wherever they lie: directories by their files, hub ids by their
        revision.

        Raises UserError where a name is neither a directory nor a hub id with a revision.
        """
        weights = [_weights(self.model, self.revision, "base.model", "base.revision")]
        if self.processor is not None:
            name, revision = self.processor, self.processor_revision
            weights.append("tokenizer " + _weights(name, revision, "base.processor", "base.processor_revision"))
        if self.adapter is not None:
            weights.append(_weights(self.adapter, self.adapter_revision, "base.adapter", "base.adapter_revision"))
        return sha256_json(weights)


def _weights(name: str, revision: str | None, param: str, revision_param: str) -> str:
    if Path(name).is_dir():
        return Model(name, name, None).digest()
    if revision is None:
        raise UserError(
            f"{param}: {name} is no directory here, so it is on the hub: set {revision_param} to its commit"
        )
    return Model(name, name, revision).digest()


def named_base(params: Mapping[str, Any]) -> BaseModel:
    """The starting model that the section `base` of params names.

    Raises UserError where it names none, or a part of it by a hub id without a revision: what that stands for could
    change between two runs.
    """
    base = BaseModel(**{field.name: params[field.name] for field in fields(BaseModel)})
    if not base.model:
        raise UserError("base.source is pretrained and base.model names nothing; give a hub id or a directory")
    for key, name, revision in (
        ("model", base.model, base.revision),
        ("processor", base.processor, base.processor_revision),
        ("adapter", base.adapter, base.adapter_revision),
    ):
        if name is not None and revision is None and not Path(name).is_dir():
            raise UserError(f"base.{key} {name} has no revision; pin the commit of the hub's repository beside it")
    return base


def write_base(folder: Path, base: BaseModel) -> None:
    """Write `model.json` into the base stage's folder."""
    write_json(folder / MODEL, asdict(base))


def read_base(root: Path = RESULTS) -> BaseModel:
    """The starting model of a results folder; what lies under `results/` is found where that folder is."""
    base = _read(BaseModel, root, "base", MODEL)
    return replace(base, model=_placed(base.model, root))


def _placed(name: str, root: Path) -> str:
    path = Path(name)
    return str(root / path.relative_to(RESULTS)) if RESULTS in path.parents else name


def write_training(folder: Path, training: Training) -> None:
    """Write `trained.json` into the train stage's folder."""
    write_json(folder / TRAINED, asdict(training))


def read_training(root: Path = RESULTS) -> Training:
    """Whether a results folder holds a trained adapter. UserError where it says so and the adapter is not there."""
    training = _read(Training, root, "train", TRAINED)
    if training.trained and not (root / "train" / ADAPTER).is_dir():
        raise UserError(f"{root / 'train' / ADAPTER} is missing; restore it with `dvc checkout` or `dvc repro`")
    return training


def _read(kind: type[T], root: Path, stage: str, name: str) -> T:
    path = root / stage / name
    try:
        return kind(**read_json(path))
    except TypeError as error:
        raise UserError(f"{path} is not as this version writes it ({error}); run `dvc repro -f {stage}`") from None


def systems(root: Path = RESULTS) -> list[System]:
    """The systems a results folder holds, the final one first: tuned where an adapter was trained, then base."""
    base = base_system(root)
    if not read_training(root).trained:
        return [base]
    return [replace(base, name="tuned", adapter=str(root / "train" / ADAPTER), adapter_revision=None), base]


def base_system(root: Path = RESULTS) -> System:
    """The system before training: the starting model, with its own adapter where it has one."""
    return System("base", **asdict(read_base(root)))
