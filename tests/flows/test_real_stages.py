"""The pipeline flow over the real stages: killed in the middle of training, and what its stages import."""

from __future__ import annotations

import json
from pathlib import Path

from tasks.shared.runtime.files import files_under, sha256_file
from tests.flows.runs import Runs, alive, until
from tests.project import Project

CHANGE = {"train.learning_rate": 0.002, "train.save_steps": 2}
TELLS = """\
import atexit, json, os, sys

def tell():
    with open("imported.jsonl", "a") as told:
        told.write(json.dumps([os.getpid(), sys.argv[0], "prefect" in sys.modules]) + "\\n")

atexit.register(tell)
"""  # in a stage's folder Python runs it at every start


def digests(project: Project) -> dict[str, str]:
    folder = project.root / "results" / "train"
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files_under(folder)}


def test_killed_in_the_middle_of_training_the_next_run_ends_in_the_same_bytes(
    runs: Runs, finished: Project, tmp_path: Path
) -> None:
    disturbed = finished.copy(tmp_path / "disturbed")
    finished.change(CHANGE)
    assert finished.repro("train") == ["train"]
    expected = digests(finished)
    assert "adapter/adapter_model.safetensors" in expected

    disturbed.change(CHANGE)
    (disturbed.root / "sitecustomize.py").write_text(TELLS)
    started = runs.start("flows.pipeline", "--stages", "train", root=disturbed.root)
    begun = disturbed.root / ".reeltrace" / "training"
    until(lambda: list(begun.rglob("checkpoint-*/trainer_state.json")) or started.process.poll() is not None)
    assert started.process.poll() is None, started.printed
    programs = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit() and _runs(path, disturbed)]
    assert programs
    started.process.kill()
    until(lambda: not any(alive(pid) for pid in programs))
    assert not (disturbed.root / "results" / "train").exists()

    ran = runs.run("flows.pipeline", "--stages", "train", root=disturbed.root)
    assert ran.code == 0, ran.printed
    ran.ends_with({"train": "Completed"})
    assert digests(disturbed) == expected
    assert "progress-train" in ran.artifacts or "progress-train" in {one.key for one in ran.client.read_artifacts()}

    told = [json.loads(line) for line in (disturbed.root / "imported.jsonl").read_text().splitlines()]
    of_the_stage = [prefect for _, program, prefect in told if program.endswith("tasks/train/__main__.py")]
    assert set(of_the_stage) == {False}


def _runs(path: Path, project: Project) -> bool:
    """Whether a process works in the project's folder and is not the flow."""
    try:
        return (path / "cwd").resolve() == project.root and b"flows.pipeline" not in (path / "cmdline").read_bytes()
    except OSError:
        return False
