"""Names of runs and experiments: the corpus, the revision, and the overridden params."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from tasks.shared.execution.params import load_params
from tasks.shared.runtime import git
from tasks.shared.runtime.errors import UserError
from tasks.shared.runtime.files import sha256_json

SHORT = 8  # digits of a commit or digest
LONGEST = 120  # characters


def run_name() -> str:
    """Of the flow run that begins: `demo@12cc7a0f train.epochs=3`, `demo@12cc7a0f mine.keep x 3`."""
    given = flow_run.parameters
    name = name_of(given.get("rev"), given.get("overrides"))
    return " ".join([name, *(f"{key} x {len(values)}" for key, values in (given.get("grid") or {}).items())])


def name_of(rev: str | None, overrides: Mapping[str, Any] | None, root: Path = Path()) -> str:
    """The corpus, the revision and the overrides. What is wrong with them is for the run itself to tell."""
    try:
        corpus = corpus_of(root)
        commit = git.commit_of(rev, root) if rev else git.head(root)
        changed = not rev and bool(git.changed_files(root))
    except UserError:
        return "cannot run"
    parts = [f"{corpus}@{commit[:SHORT] if commit else 'no-commit'}{'+changes' if changed else ''}"]
    parts += [f"{key}={value_text(value)}" for key, value in (overrides or {}).items()]
    name = " ".join(parts)
    if len(name) <= LONGEST:
        return name
    return f"{name[: LONGEST - 1 - SHORT]}…{sha256_json(name)[:SHORT]}"  # still another for every other whole


def corpus_of(root: Path = Path()) -> str:
    """The corpus as people call it: `demo`, or the name of its folder. Raises UserError where params.yaml is wrong."""
    corpus = load_params(root / "params.yaml").corpus
    return corpus.source if corpus.source == "demo" else Path(corpus.path).resolve().name


def value_text(value: Any) -> str:
    """A param's value as it stands in a name: a list joined by `+`."""
    if isinstance(value, list):
        return "+".join(value_text(one) for one in value)
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def experiment_name(name: str) -> str:
    """A run's name as DVC takes names of experiments."""
    return re.sub(r"[^A-Za-z0-9.]+|\.{2,}", "-", name).strip("-.").removesuffix(".lock")
