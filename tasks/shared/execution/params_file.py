"""Values of a params.yaml changed by dotted keys: in the file, its comments and order kept, or in what was read."""

from __future__ import annotations

import copy
from argparse import ArgumentTypeError
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from tasks.shared.execution.params import PARAMS_FILE
from tasks.shared.runtime.errors import UserError


def change_params(changes: Mapping[str, Any], path: Path = PARAMS_FILE) -> None:
    """Write values into a params.yaml: `{"corpus.source": "folder"}`. Whether they are right is for load_params to say.
    Raises UserError for a key that is not there."""
    round_trip = YAML()  # keeps comments, and builds no objects
    round_trip.preserve_quotes = True
    round_trip.width = 200
    round_trip.representer.add_representer(type(None), _null)
    round_trip.representer.add_representer(float, _float)
    params = round_trip.load(path)
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place = params
        for name in sections:
            place = _below(place, name, dotted, path)
        _below(place, key, dotted, path)
        place[key] = value
    round_trip.dump(params, path)


def assignment(text: str) -> tuple[str, Any]:
    """`train.epochs=3` of a command line: the dotted key, and the value as params.yaml would have it."""
    key, equals, value = text.partition("=")
    if not equals:
        raise ArgumentTypeError(f"{text}: expected KEY=VALUE, as train.epochs=3")
    try:
        return key, yaml.safe_load(value)
    except yaml.YAMLError:
        raise ArgumentTypeError(f"{text}: not a value of YAML; quote it as in params.yaml") from None


def overridden(params: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A params.yaml's content with other values at dotted keys; what is not there yet is added. Raises UserError for a
    key below one that has a value."""
    found = copy.deepcopy(dict(params))
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        place = found
        for name in sections:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise UserError(f"{dotted}: {name} is {place!r}, and has no keys below it; give one of them")
        place[key] = copy.deepcopy(value)
    return found


def _below(place: Any, name: str, dotted: str, path: Path) -> Any:
    if isinstance(place, Mapping) and name in place:
        return place[name]
    close = get_close_matches(name, place, n=1) if isinstance(place, Mapping) else []
    raise UserError(f"{path}: unknown key {dotted}; " + (f"did you mean {close[0]}?" if close else "see params.yaml"))


def _null(representer: Any, _: None) -> Any:
    return representer.represent_scalar("tag:yaml.org,2002:null", "null")


def _float(representer: Any, value: float) -> Any:
    """With a point, without which YAML 1.1 reads an exponent as text."""
    text = repr(value)
    text = text if "." in text or "e" not in text else text.replace("e", ".0e")
    return representer.represent_scalar("tag:yaml.org,2002:float", text)
