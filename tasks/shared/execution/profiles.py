"""Choosing a profile: a named set of params, written into params.yaml. `reeltrace profile NAME [DIRECTORY]`.

A profile lies in `profiles/NAME.yaml` and has only what it decides; `extends` names one to start from. Stages read
params.yaml alone, so DVC sees what a choice makes stale; `run.profile` in it says what was chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from tasks.shared.execution.params import PARAMS_FILE, as_read, checked_params
from tasks.shared.execution.params_file import change_params, overridden
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.models import PACKAGE, PATH_MARKS, hub_commit

PROFILES = Path("profiles")
NAMED = "run.profile"
DIRECTORY = "corpus.path"
PINS = {  # params that name models, and those that pin them
    "retriever.model": "retriever.revision",
    "transcribe.model": "transcribe.revision",
    "base.model": "base.revision",
    "base.processor": "base.processor_revision",
    "base.adapter": "base.adapter_revision",
}
OF_THE_USER = {DIRECTORY, "retriever.trust_remote_code", *PINS.values()}  # filled in when or after it is chosen


@dataclass(frozen=True)
class Changed:
    """A param that a choice changed: its dotted key, its value before and after."""

    key: str
    before: Any
    after: Any


def names(folder: Path = PROFILES) -> list[str]:
    """The profiles there are."""
    return sorted(file.stem for file in folder.glob("*.yaml"))


def read_profile(name: str, folder: Path = PROFILES) -> dict[str, Any]:
    """A profile's values by dotted key, those of what it extends included. Raises UserError for a profile that is not
    there, and for a file that is none."""
    if name not in names(folder):
        raise UserError(f"no profile {name}; there are {', '.join(names(folder)) or 'none'} in {folder}/")
    try:
        read = yaml.safe_load((folder / f"{name}.yaml").read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UserError(f"{folder / name}.yaml is not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(read, dict) or not all(isinstance(one, dict) for key, one in read.items() if key != "extends"):
        raise UserError(f"{folder / name}.yaml: expected sections of params.yaml")
    start = read_profile(parent, folder) if (parent := read.pop("extends", None)) else {}
    return start | _flat(read)


def described(name: str, folder: Path = PROFILES) -> str:
    """A profile's name and the first line of its comment."""
    first = (folder / f"{name}.yaml").read_text(encoding="utf-8").partition("\n")[0]
    return f"{name:<18}{first.lstrip('# ')}"


def choose(
    name: str,
    directory: str | None = None,
    changes: Mapping[str, Any] = MappingProxyType({}),
    *,
    params_file: Path = PARAMS_FILE,
    folder: Path = PROFILES,
) -> list[Changed]:
    """Write a profile into params.yaml, with its hub models pinned; what is changed by it.

    `directory` is the corpus's, needed where the profile names none; `changes` are other values than the profile's by
    dotted key. Raises UserError, with nothing written, where the params would not be right, or a model to be pinned is
    not on the hub, or the hub is out of reach.
    """
    wanted = read_profile(name, folder) | {NAMED: name} | dict(changes)
    if directory is not None:
        if not Path(directory).is_dir():
            raise UserError(f"no directory {directory}; name the one that holds the corpus")
        wanted[DIRECTORY] = directory
    if DIRECTORY not in wanted:
        raise UserError(f"profile {name} needs the corpus's directory: reeltrace profile {name} DIRECTORY")
    present = yaml.safe_load(params_file.read_text(encoding="utf-8"))
    checked_params(overridden(present, wanted), f"profile {name}")
    wanted |= _pins(wanted, present)
    changed = [Changed(key, _at(present, key), value) for key, value in wanted.items() if _at(present, key) != value]
    change_params({one.key: one.after for one in changed}, params_file)
    return changed


def _pins(wanted: Mapping[str, Any], present: Mapping[str, Any]) -> dict[str, str]:
    """Commits for hub models that have none: the one chosen before, else the hub's newest."""
    found = {}
    for named, pin in PINS.items():
        name = wanted.get(named)
        if not name or wanted.get(pin) or Path(name).is_dir() or name.startswith((*PATH_MARKS, PACKAGE)):
            continue
        before = _at(present, pin) if _at(present, named) == name else None
        found[pin] = before or hub_commit(name, named)
    return found


def deviations(params: Mapping[str, Any], folder: Path = PROFILES) -> list[str]:
    """Dotted keys whose values in a params.yaml's content are not those of the profile that it names, but for what a
    user is to fill in; of an unknown profile its name."""
    name = str(_at(params, NAMED))
    if name not in names(folder):
        return [NAMED]
    profile = read_profile(name, folder)
    return [
        key
        for key, value in profile.items()
        if key not in OF_THE_USER and as_read(_at(params, key), key) != as_read(value, key)
    ]


def _flat(read: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by dotted key, down to what is no section."""
    found: dict[str, Any] = {}
    for key, value in read.items():
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return found


def _at(params: Mapping[str, Any], dotted: str) -> Any:
    value: Any = params
    for key in dotted.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
