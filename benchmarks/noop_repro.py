"""What `dvc repro` costs when there is nothing to do, beside DVC's own floor: the same DAG of commands that do nothing.

Run it where the pipeline has been run (`make demo`): `python benchmarks/noop_repro.py [repetitions]`. Both are
measured in turns in one run; what counts is the ratio of the medians. It changes nothing in the workspace.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tasks.shared.artifacts.types import RESULTS
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import StageSpec, read_stages

NOTHING_TO_DO = "Data and pipelines are up to date."
OURS, FLOOR = "this pipeline", "DVC's floor"


def repro(folder: Path, *options: str) -> tuple[float, str]:
    """Seconds of wall clock that one `dvc repro` takes, and what it printed."""
    command = [sys.executable, "-m", "dvc", "repro", *options]
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


def floor(folder: Path, stages: dict[str, StageSpec]) -> None:
    """Fill a folder with a DVC project of the same DAG, whose commands only touch their outputs."""
    needed = {dep for stage in stages.values() for dep in stage.deps}
    written: dict[str, dict[str, object]] = {}
    for name, stage in stages.items():
        files = [out if out.suffix else out / "file" for out in stage.outs]
        files += [dep for dep in needed if any(out in dep.parents for out in stage.outs)]
        folders = sorted({file.parent.as_posix() for file in files})
        touch = " ".join(sorted(file.as_posix() for file in files))
        written[name] = {
            "cmd": f"mkdir -p {' '.join(folders)} && touch {touch}",
            "deps": [dep.as_posix() for dep in stage.deps],
            "params": list(stage.params),
            "outs": [out.as_posix() for out in stage.outs],
        }
    for dep in needed:
        if RESULTS not in dep.parents:
            file = folder / dep if dep.suffix else folder / dep / "file"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(dep.as_posix())
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": written}, sort_keys=False))
    shutil.copy("params.yaml", folder)
    shutil.copytree(".dvc", folder / ".dvc", ignore=shutil.ignore_patterns("cache", "tmp", "config.local"))
    (folder / ".gitignore").write_text(f"/{RESULTS}/\n")
    subprocess.run(["git", "init", "--quiet"], cwd=folder, check=True)
    repro(folder)


def main() -> None:
    """Measure and print a table."""
    repetitions = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    seconds: dict[str, list[float]] = {OURS: [], FLOOR: []}
    with tempfile.TemporaryDirectory() as scratch:
        places = {OURS: Path.cwd(), FLOOR: Path(scratch)}
        if NOTHING_TO_DO not in repro(places[OURS], "--dry")[1]:
            sys.exit("noop_repro: the pipeline is not up to date here; run `make demo` first")
        floor(places[FLOOR], read_stages(load_params()))
        for _ in range(repetitions):
            for name, place in places.items():
                taken, said = repro(place)
                if NOTHING_TO_DO not in said:
                    sys.exit(f"noop_repro: {name} did something: {said}")
                seconds[name].append(taken)
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    print(f"`dvc repro` with nothing to do, {repetitions} times each in turns, seconds")
    print(f"{'':14}{'median':>8}{'least':>8}{'most':>8}")
    for name, values in seconds.items():
        print(f"{name:14}{medians[name]:8.2f}{min(values):8.2f}{max(values):8.2f}")
    print(f"ratio of medians: {medians[OURS] / medians[FLOOR]:.2f}")


if __name__ == "__main__":
    main()
