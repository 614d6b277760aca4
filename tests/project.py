"""The whole project on a demo of a few events, committed and run by DVC, as tests look at it and copy it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from tasks.shared.execution.params_file import change_params
from tasks.shared.execution.stage import limit_threads
from tasks.shared.execution.tracking import EXPERIMENT
from tasks.shared.runtime.files import sha256_file, sha256_json
from tests import warm
from tests.called import called

ROOT = Path(__file__).resolve().parents[1]
STAGES = list(yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"])
SMALL: dict[str, Any] = {
    "run.threads": 1,
    "run.max_failed_fraction": 0.2,  # one broken file weighs more among few
    "corpus.train_events": 2,
    "corpus.test_events": 2,
    "extract.frames": 4,
    "base.source": "pretrained",  # making the tiny one takes a minute
    "base.model": ".reeltrace/untrained",
    "train.epochs": 1,
    "train.batch_size": 8,
    "train.mini_batch_size": 8,
    "train.negatives": 1,
    "evaluate.bootstrap": 100,
    "evaluate.permutations": 100,
    "report.sample_queries": 2,
    "report.results": 2,
}
GIT = ("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@dataclass
class Project:
    """A copy of the project.

    Attributes:
        shared: other tests, of other processes too, look at it at the same time, so nobody may change it.
    """

    root: Path
    shared: bool = False

    @property
    def environment(self) -> dict[str, str]:
        """Of its programs: this Python, its own code, no store and no MLflow but its own, no hub."""
        inherited = {k: v for k, v in os.environ.items() if k not in ("REELTRACE_STORE", "MLFLOW_TRACKING_URI")}
        folders = dict.fromkeys(str(Path(one).parent) for one in (warm.python(), sys.executable))
        programs = os.pathsep.join([*folders, os.environ["PATH"]])
        return inherited | {"PATH": programs, "PYTHONPATH": str(self.root), "HF_HUB_OFFLINE": "1"}

    def attempt(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command here, whatever comes of it."""
        return subprocess.run(
            command, cwd=self.root, env=self.environment, capture_output=True, text=True, check=False
        )  # fmt: skip

    def run(self, *command: str) -> str:
        """What a command printed; the test fails with it where the command does."""
        done = self.attempt(*command)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def audit(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`reeltrace audit ...` here, by this checkout's code: the project's own may be of an earlier build."""
        environment = self.environment | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1", "COLUMNS": "200"}
        return called(["audit", *arguments], self.root, environment)

    def repro(self, *options: str) -> list[str]:
        """The stages that `dvc repro` ran, in order; with `--dry` those it would run."""
        return re.findall(r"^Running stage '(\w+)'", self.run(warm.python(), "-m", "dvc", "repro", *options), re.M)

    def commit(self, message: str) -> str:
        """Commit all that is changed; the new commit."""
        assert not self.shared, "this project is shared by tests; commit in a copy (fixture `finished`)"
        self.run(*GIT, "add", "--all")
        self.run(*GIT, "commit", "--quiet", "--message", message)
        return self.run("git", "rev-parse", "HEAD").strip()

    def change(self, changes: Mapping[str, Any]) -> None:
        """Change params.yaml by dotted keys."""
        assert not self.shared, "this project is shared by tests; change a copy (fixture `finished`)"
        change_params(changes, self.root / "params.yaml")

    def manifest(self, stage: str) -> Any:
        """A stage's manifest."""
        return json.loads((self.root / "results" / stage / "manifest.json").read_text(encoding="utf-8"))

    def copy(self, root: Path) -> Project:
        """A project of its own with the same history, results, cache and MLflow runs."""
        shutil.copytree(self.root, root, symlinks=True)
        addresses = str(self.root.resolve()), str(root.resolve())
        with sqlite3.connect(root / "mlflow.db") as database:  # MLflow keeps absolute addresses
            for table, column in (("runs", "artifact_uri"), ("experiments", "artifact_location")):
                database.execute(f"UPDATE {table} SET {column} = replace({column}, ?, ?)", addresses)
        return Project(root)


def kept_database(cache: Path) -> Path:
    """An MLflow database with the experiment and no run, kept because its migrations take many seconds."""
    path = cache / f"mlflow-{version('mlflow')}.db"
    with one_at_a_time(cache / "mlflow.lock"):
        if not path.exists():
            from mlflow import MlflowClient

            fresh = path.with_suffix(".partial")
            fresh.unlink(missing_ok=True)
            MlflowClient(f"sqlite:///{fresh}").create_experiment(EXPERIMENT)
            fresh.replace(path)
    return path


def copy_database(kept: Path, path: Path, root: Path) -> None:
    """A database like the kept one, whose artifacts are where MLflow puts them by default: below the project."""
    shutil.copy(kept, path)
    with sqlite3.connect(path) as database:
        database.execute(
            "UPDATE experiments SET artifact_location = ? || experiment_id", (f"{root.resolve()}/mlruns/",)
        )


def kept_at(cache: Path) -> Path:
    """Where `kept_project` is or will be."""
    return cache / "projects" / key()


def kept_project(cache: Path) -> Project:
    """The project after `dvc repro`, kept between test sessions while the code stays as it is."""
    root, database = kept_at(cache), kept_database(cache)
    root.parent.mkdir(exist_ok=True)
    with one_at_a_time(cache / "projects.lock"):
        if not root.exists():
            for one in sorted(root.parent.iterdir(), key=lambda one: one.stat().st_mtime)[:-3]:
                shutil.rmtree(one)
            partial = root.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            build(partial, database).copy(root)
            shutil.rmtree(partial)
    return Project(root, shared=True)


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Of several test processes one goes on, the others wait for it."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build(root: Path, mlflow_database: Path) -> Project:
    """Two commits: the project with small params, and the dvc.lock of `dvc repro` on it."""
    from tests.omni.conftest import small  # torch, which reads how many threads it may have when it is imported

    for path in sources():
        target = root / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    copy_database(mlflow_database, root / "mlflow.db", root)
    made = Project(root)
    made.change(SMALL)
    small().save(str(root / SMALL["base.model"]), create_model_card=False)
    made.run("git", "init", "--quiet")
    made.commit("first")
    assert sorted(made.repro()) == sorted(STAGES)
    made.commit("results")
    return made


def sources() -> list[Path]:
    """Every file of the project that git does not ignore, but no dvc.lock."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    files = [ROOT / name for name in listing.stdout.split("\0") if name and name != "dvc.lock"]
    return sorted(path for path in files if path.is_file())


def key() -> str:
    """What decides the results of `build`: the stages' code and params, and the packages that matter; not the audit."""
    names = [path.relative_to(ROOT).as_posix() for path in sources()]
    deciding = ("tasks/", "dvc.yaml", "params.yaml", ".dvc", ".gitignore", "tests/project.py", "tests/omni/")
    reading = ("tasks/audit/", "tasks/negatives/", "tasks/cli.py", "tasks/search.py", "tasks/lineage/")
    files = {
        name: sha256_file(ROOT / name) for name in names if name.startswith(deciding) and not name.startswith(reading)
    }
    packages = {name: version(name) for name in ("dvc", "lancedb", "mlflow", "sentence-transformers", "torch")}
    return sha256_json([files, packages])[:20]


if __name__ == "__main__":
    limit_threads(1)
    kept_project(Path(sys.argv[1]))
