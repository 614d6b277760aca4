"""A project of two stages in a git repository, made on the spot: what a reproduction is planned from."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tasks.lineage.model import Run
from tasks.lineage.open import workspace
from tasks.lineage.score import Score
from tasks.shared.artifacts.publish import write_manifest
from tasks.shared.runtime.files import sha256_file
from tests.project import GIT

DVC_YAML = """\
stages:
  mine:
    cmd: python -m tasks.mine
    deps: [tasks/mine]
    params: [mine, run.seed]
    outs: [results/mine]
  evaluate:
    cmd: python -m tasks.evaluate
    deps: [tasks/evaluate, results/mine]
    params: [evaluate, run.seed]
    outs: [results/evaluate]
"""
PROGRAM = """\
import hashlib, json, os
from importlib.metadata import version
from datetime import UTC, datetime
from pathlib import Path

import yaml

STAGE = Path(__file__).parent.name
OUT = Path("results") / STAGE


def entry(path):
    return {"sha256": hashlib.sha256(path.read_bytes()).hexdigest(), "bytes": path.stat().st_size}


params = yaml.safe_load(Path("params.yaml").read_text())
OUT.mkdir(parents=True)
(OUT / "out.txt").write_text(os.environ.get("SAID", "made by") + f" {STAGE}\\n")
inputs = {"mine": [], "evaluate": [Path("results/mine/manifest.json")]}[STAGE]
manifest = {
    "stage": STAGE,
    "params": {STAGE: params[STAGE], "run.seed": params["run"]["seed"]},
    "code": {path.as_posix(): entry(path)["sha256"] for path in sorted((Path("tasks") / STAGE).rglob("*.py"))},
    "components": {"numpy": version("numpy")},
    "inputs": {path.as_posix(): entry(path) for path in inputs},
    "outputs": {(OUT / "out.txt").as_posix(): entry(OUT / "out.txt")},
    "folders": {},
    "derived": [],
    "counts": {"files": 1},
}
(OUT / "manifest.json").write_text(json.dumps(manifest, indent=2, sort_keys=True, ensure_ascii=False) + "\\n")
"""  # what a stage's program does, without the rooms below it
PARAMS: dict[str, dict[str, Any]] = {"run": {"seed": 7, "workers": 2}, "mine": {"keep": 3}, "evaluate": {"depth": 10}}


@dataclass
class SmallGit:
    """A project whose results are written by hand, as its stages would."""

    root: Path

    def write(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def params(self, **changes: dict[str, Any]) -> None:
        merged = {name: values | changes.get(name, {}) for name, values in PARAMS.items()}
        self.write("params.yaml", yaml.safe_dump(merged))

    def git(self, *arguments: str) -> str:
        done = subprocess.run([*GIT, *arguments], cwd=self.root, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.git("rev-parse", "HEAD")

    def publish(self) -> None:
        """What running both stages now would leave: a file each, and manifests of code, params and inputs."""
        params = yaml.safe_load((self.root / "params.yaml").read_text(encoding="utf-8"))
        for stage, inputs in (("mine", []), ("evaluate", [Path("results/mine/manifest.json")])):
            self.write(f"results/{stage}/out.txt", f"made by {stage}\n")
            write_manifest(
                self.root / "results" / stage,
                stage,
                params={stage: params[stage], "run.seed": params["run"]["seed"]},
                code={
                    path.relative_to(self.root).as_posix(): sha256_file(path)
                    for path in sorted((self.root / "tasks" / stage).rglob("*.py"))
                },
                components=["numpy"],
                inputs=inputs,
                counts={"files": 1},
            )

    def score(self) -> Score:
        return Score(workspace())


def run_of(stage: str, manifest: str, commit: str, *, dirty: bool = False, **tags: str) -> Run:
    """An MLflow run that published a manifest."""
    return Run(
        run_id=(stage * 32)[:32],
        stage=stage,
        status="FINISHED",
        manifest=manifest,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        ended=datetime(2026, 1, 2, tzinfo=UTC),
        commit=commit,
        dirty=dirty,
        artifacts="",
        tags=tags,
    )


def make(root: Path) -> SmallGit:
    """The project with its sources committed."""
    project = SmallGit(root)
    project.write("dvc.yaml", DVC_YAML)
    project.write(".gitignore", "/results/\n__pycache__/\n/.reeltrace/\n/videos/\n")
    project.write(".dvc/config", "[core]\n    analytics = false\n")
    project.write("tasks/__init__.py", "")
    for stage in ("mine", "evaluate"):
        project.write(f"tasks/{stage}/__init__.py", "")
        project.write(f"tasks/{stage}/__main__.py", PROGRAM)
    project.params()
    project.git("init", "--quiet")
    project.commit("sources")
    return project
