"""Code that comes with a text retriever: found before anything is loaded, and run only where params say so, pinned."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import read_json
from tasks.shared.runtime.hub import fetch
from tasks.shared.runtime.models import Model

MODULES = "modules.json"  # of sentence-transformers: the classes that a retriever consists of
CONFIGS = (
    "config.json",
    "tokenizer_config.json",
    "processor_config.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
)
ADAPTER = "adapter_config.json"  # of PEFT: names another repository, the adapter's base
COMMIT = re.compile(r"[0-9a-f]{40}")


def check_code(model: Model, trusted: bool, revision: str | None) -> None:
    """Raise UserError unless a retriever has no code of its own, or params let it run and pin what has been read.

    A hub id is pinned by a commit's 40 digits, a directory by `Model.digest`, both in retriever.revision. Code may come
    from that place alone. Without permission it is refused also where the libraries know the model's kind: they would
    load that silently without its code, and it would be another model.
    """
    if model.revision is not None:
        pinned = COMMIT.fullmatch(model.revision) is not None
    else:
        pinned = revision is not None and revision == model.digest()
    named = dict(_named(model))
    if trusted and not pinned:
        raise UserError(f"retriever.trust_remote_code runs code that comes with {model.name}: {_how_to_pin(model)}")
    if model.revision is None and revision is not None and not pinned:
        raise UserError(f"retriever.revision: {model.name} is no longer what it pins; {_how_to_pin(model)}")
    if not trusted and named:
        where, what = next(iter(named.items()))
        raise UserError(
            f"retriever.model: {model.name} comes with code of its own ({what} in {where}), without which it is "
            f"another model; to run it set retriever.trust_remote_code to true and, {_how_to_pin(model)}"
        )
    for where, what in named.items():
        repository, found, _ = what.partition("--")
        if found and (model.revision is None or repository != model.location):
            raise UserError(
                f"retriever.model: {where} of {model.name} takes code from {repository}, which nothing pins; put the "
                f"code into {model.name} and name it there without `{repository}--`"
            )
    if trusted and fetch(model.location, model.revision, ADAPTER) is not None:
        raise UserError(
            f"retriever.model: {ADAPTER} of {model.name} names another model, whose code nothing pins; merge the two"
        )


def commit_of(model: Model) -> str | None:
    """The commit that a hub id's revision stands for now; None of a directory, or where the hub does not say."""
    if model.revision is None or (file := fetch(model.location, model.revision, CONFIGS[0])) is None:
        return None
    return file.parent.name if COMMIT.fullmatch(file.parent.name) else None


def _how_to_pin(model: Model) -> str:
    if model.revision is not None:
        return "in retriever.revision, name the 40 digits of the commit you have read"
    return f"in retriever.revision, name the directory as you have read it: {model.digest()}"


def _named(model: Model) -> Iterator[tuple[str, str]]:
    """Files of the model that name code, and the code each names: `modeling.Class` or `owner/name--modeling.Class`."""
    folders = [""]
    modules = fetch(model.location, model.revision, MODULES)
    found = read_json(modules) if modules else []
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict):
            folders.append(str(one.get("path", "")))
            if not str(one.get("type", "")).startswith("sentence_transformers."):
                yield MODULES, str(one.get("type"))
    for folder in dict.fromkeys(folders):
        for config in CONFIGS:
            name = str(PurePosixPath(folder) / config)
            if (file := fetch(model.location, model.revision, name)) is not None:
                yield from ((name, what) for what in _classes(read_json(file)))


def _classes(config: Any) -> Iterator[str]:
    """What the `auto_map`s of a configuration name, at any depth: a class, or a pair of which one may be null."""
    if isinstance(config, dict):
        for key, value in config.items():
            if key == "auto_map" and isinstance(value, dict):
                for named in value.values():
                    yield from (str(one) for one in (named if isinstance(named, list) else [named]) if one)
            else:
                yield from _classes(value)
