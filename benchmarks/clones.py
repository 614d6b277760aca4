"""Clean clones of this repository's HEAD, to run the pipeline in: shared by the benchmarks that compare runs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.shared.execution.params_file import change_params

REPOSITORY = Path(__file__).resolve().parents[1]


def clone(place: Path, changes: Mapping[str, Any]) -> Path:
    """A clone of HEAD at `place`, its params.yaml changed by dotted keys."""
    subprocess.run(["git", "clone", "--quiet", str(REPOSITORY), str(place)], check=True)
    change_params(changes, place / "params.yaml")
    return place


def repro(place: Path, *arguments: str, store: Path | None = None) -> str:
    """`dvc repro` in a clone with this environment, importing the clone's own code; what DVC printed.

    Ends the program where it fails.
    """
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
    return done.stdout
