"""Clean clones of this repository's HEAD, to run the pipeline in: shared by the benchmarks that compare runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]


def clone(place: Path, changes: Mapping[str, Any]) -> Path:
    """A clone of HEAD at `place`, its params.yaml changed by dotted keys."""
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(place)], check=True)
    change_params(place / "params.yaml", changes)
    return place


def change_params(path: Path, changes: Mapping[str, Any]) -> None:
    """Change a params.yaml by dotted keys: `{"corpus.source": "folder"}`."""
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for dotted, value in changes.items():
        *sections, key = dotted.split(".")
        section = params
        for name in sections:
            section = section[name]
        section[key] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False, allow_unicode=True), encoding="utf-8")


def repro(place: Path, *arguments: str, store: Path | None = None) -> None:
    """`dvc repro` in a clone with this environment, importing the clone's own code. Ends the program where it fails."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(place),
        "MLFLOW_TRACKING_URI": f"sqlite:///{place / 'mlflow.db'}",
        "REELTRACE_STORE": str(store or place / ".reeltrace"),
    }
    done = subprocess.run(
        ["dvc", "repro", *arguments], cwd=place, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"dvc repro failed in {place}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
