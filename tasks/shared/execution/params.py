"""params.yaml, typed and checked before any work: one section a stage, and three that stages share.

An unknown key, a missing key or a wrong type is one line that names the key. A section that no stage
reads is checked by its reader: `flows` by flows/params.py.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from tasks.shared.artifacts.types import MODALITIES
from tasks.shared.execution.params_sections import (
    Base,
    Corpus,
    Document,
    Encode,
    Evaluate,
    Extract,
    Mine,
    Report,
    Retriever,
    Run,
    Section,
    Transcribe,
)  # fmt: skip
from tasks.shared.execution.params_train import Train
from tasks.shared.runtime.errors import UserError

PARAMS_FILE = Path("params.yaml")
SETS = ("mine.modalities", "train.modalities", "encode.modalities")  # lists whose order means nothing
Sections = TypeVar("Sections", bound=Section)
NO_STAGES = {"run", "document", "retriever"}  # sections that stages share
NOT_OF_STAGES = {"flows"}  # sections that no stage reads
EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?e[-+]?\d+", re.IGNORECASE)  # YAML 1.1 wants a point and a sign


class Params(Section):
    run: Run
    document: Document
    retriever: Retriever
    corpus: Corpus
    extract: Extract
    transcribe: Transcribe
    mine: Mine
    base: Base
    train: Train
    encode: Encode
    evaluate: Evaluate
    report: Report

    def section(self, dotted: str) -> Any:
        """The value at `train` or `run.seed`, as plain data."""
        value: Any = self.model_dump(mode="json")
        for key in dotted.split("."):
            value = value[key]
        return value


def load_params(path: Path = PARAMS_FILE) -> Params:
    """Read and check params.yaml. Raises UserError that names the first wrong key and what is wrong with it."""
    return checked_params(read_params_file(path), str(path))


def read_params_file(path: Path = PARAMS_FILE) -> Any:
    """What a params.yaml holds, unchecked. Raises UserError where it is missing or not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} is missing; run from the project's root") from None
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from None


def checked_params(raw: Any, where: str) -> Params:
    """Params from what was read. Raises UserError that names the first wrong keys; `where` says of what."""
    of_stages = {key: raw[key] for key in raw if key not in NOT_OF_STAGES} if isinstance(raw, dict) else raw
    return checked(Params, of_stages, where)


def checked(sections: type[Sections], raw: Any, where: str) -> Sections:
    """Sections of params.yaml as a model has them, from what was read. Raises UserError, as `checked_params` does."""
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected sections, found {type(raw).__name__}")
    try:
        return sections.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"{where}: {'; '.join(_explain(sections, one) for one in error.errors()[:3])}") from None


def as_read(value: Any, key: str = "") -> Any:
    """A params.yaml as it is written, or what it has at a dotted key, as stages read and record it. A list whose order
    means nothing is in the one order that `Params` gives it; all else stays."""
    if isinstance(value, dict):
        return {name: as_read(one, f"{key}.{name}" if key else name) for name, one in value.items()}
    if key in SETS and isinstance(value, list) and all(one in MODALITIES for one in value):
        return sorted(value, key=MODALITIES.index)
    return value


def _explain(sections: type[Section], problem: Any) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f"unknown key {key}; {_meant(sections, problem['loc'])}"
    if problem["type"] == "missing":
        return f"{key} is missing; add it"
    exponent = problem["type"] == "float_type" and EXPONENT.fullmatch(str(problem["input"]))
    hint = "; write 0.0001 or 1.0e-4, not 1e-4" if exponent else ""
    what = problem["msg"].removeprefix("Value error, ")
    return f"{key} = {problem['input']!r}: {what[0].lower()}{what[1:]}{hint}"


def _meant(sections: type[Section], location: tuple[str, ...]) -> str:
    section: Any = sections
    for name in location[:-1]:
        section = section.model_fields[name].annotation
    known = [*section.model_fields, *(NOT_OF_STAGES if section is Params else ())]
    close = get_close_matches(str(location[-1]), known, n=1)
    return f"did you mean {close[0]}?" if close else "remove it"
