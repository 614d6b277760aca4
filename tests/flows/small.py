"""A small project for flows: four stages whose programs do little, with the whole params.yaml, in git and DVC."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.shared.execution.params_file import change_params
from tests.project import GIT, ROOT

STAGES = ("extract", "mine", "train", "evaluate")
DVC_YAML = """\
stages:
  extract:
    cmd: python -m tasks.extract
    deps: [tasks/extract]
    params: [extract]
    outs: [results/extract]
  mine:
    cmd: python -m tasks.mine
    deps: [tasks/mine, results/extract]
    params: [mine]
    outs: [results/mine]
  train:
    cmd: python -m tasks.train
    deps: [tasks/train, results/extract, results/mine]
    params: [train]
    outs: [results/train]
  evaluate:
    cmd: python -m tasks.evaluate
    deps: [tasks/evaluate, results/train]
    params: [evaluate]
    outs: [results/evaluate/manifest.json]
    metrics: [results/evaluate/metrics.json]
"""
PROGRAM = """\
import json, os, sys, time
from pathlib import Path

import yaml

STAGE = Path(__file__).parent.name
OUT = Path("results") / STAGE
params = yaml.safe_load(Path("params.yaml").read_text())
with (Path(os.environ["RAN"]) / STAGE).open("a") as log:  # every execution, in whatever worktree
    log.write(f"{os.getpid()}\\n")
exec(os.environ.get(f"BEFORE_{STAGE}", ""))
OUT.mkdir(parents=True, exist_ok=True)
text = json.dumps(params[STAGE], sort_keys=True)
if STAGE == "evaluate":
    value = (params["extract"]["frames"] + params["mine"]["keep"]) / 100
    scores = {
        "queries": 2, "videos": 3, "queries_without_positives": 0, "tests": {}, "slices": {}, "note": None,
        "systems": {"tuned": dict.fromkeys(["nDCG@10", "nDCG", "AP", "RR", "R@10", "R@100"], value)},
        "intervals": {"tuned": {"nDCG@10": [value - 0.01, value + 0.01]}}, "retriever": None,
    }
    (OUT / "metrics.json").write_text(json.dumps(scores))
else:
    text += "".join((Path("results") / made).joinpath("out.txt").read_text() for made in ("extract", "mine")
                    if STAGE in ("mine", "train") and made != STAGE)
    (OUT / "out.txt").write_text(text)
(OUT / "manifest.json").write_text(json.dumps({"stage": STAGE, "counts": {"files": 1}, "params": params[STAGE]}))
print(f"{STAGE}: 1 files")
"""  # what stages leave, without the rooms below them


@dataclass
class Small:
    """The project.

    Attributes:
        ran: a folder with a line for every execution of a stage, by stage.
    """

    root: Path
    ran: Path

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml by dotted keys."""
        change_params(changes, self.root / "params.yaml")

    def git(self, *arguments: str) -> str:
        """What git says."""
        done = subprocess.run([*GIT, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str = "another") -> str:
        """Commit all that is changed; the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def executions(self) -> dict[str, int]:
        """How often the stages' programs ran."""
        return {stage: len(self.processes(stage)) for stage in STAGES}

    def processes(self, stage: str) -> list[int]:
        """The processes that ever ran a stage."""
        path = self.ran / stage
        return [int(line) for line in path.read_text().split()] if path.exists() else []


def make(folder: Path) -> Small:
    """The project with its sources committed."""
    root, ran = folder / "project", folder / "ran"
    ran.mkdir()
    shutil.copytree(ROOT / ".dvc", root / ".dvc", ignore=shutil.ignore_patterns("tmp", "cache", "config.local"))
    for name in ("params.yaml", ".gitignore", ".dvcignore"):
        shutil.copy(ROOT / name, root / name)
    (root / "dvc.yaml").write_text(DVC_YAML)
    for stage in STAGES:
        (root / "tasks" / stage).mkdir(parents=True)
        (root / "tasks" / stage / "__init__.py").touch()
        (root / "tasks" / stage / "__main__.py").write_text(PROGRAM)
    (root / "tasks" / "__init__.py").touch()
    small = Small(root, ran)
    small.git("init", "--quiet")
    small.change({"flows.retries": 2, "flows.retry_seconds": 0.1})
    small.commit("sources")
    return small
