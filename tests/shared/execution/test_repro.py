"""`dvc repro` of single stages by the real DVC: what it did, and whether a failure may pass."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tasks.shared.execution.repro import DVC, StageFailedError, repro, stale

PYTHON = sys.executable
STAGES = {
    "good": {"cmd": f"{PYTHON} -c \"print(1); open('out', 'w')\"", "deps": ["in"], "outs": ["out"]},
    "busy": {"cmd": f'{PYTHON} -c "import sys; sys.exit(75)"'},
    "killed": {"cmd": f'{PYTHON} -c "import os; os.kill(os.getpid(), 9)"'},
    "wrong": {"cmd": f"{PYTHON} -c \"import sys; print('wrong: a param is wrong'); sys.exit(2)\""},
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC project without git, of one stage that runs through and three that fail."""
    root = tmp_path_factory.mktemp("project")
    subprocess.run([*DVC, "init", "--quiet", "--no-scm"], cwd=root, check=True)
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    (root / "in").write_text("1")
    return root


def run(root: Path, *stages: str, force: bool = False) -> tuple[dict[str, str], list[str]]:
    lines: list[str] = []
    outcomes = repro(root, stages, dict(os.environ), line=lines.append, force=force)
    return {stage: str(outcome) for stage, outcome in outcomes.items()}, lines


def test_what_dvc_did(project: Path) -> None:
    outcomes, lines = run(project, "good")
    assert outcomes == {"good": "ran"} and "1" in lines and not any("dvc push" in line for line in lines)
    assert run(project, "good")[0] == {"good": "unchanged"}
    assert "good" not in stale(project, dict(os.environ))
    (project / "in").write_text("2")
    assert "good" in stale(project, dict(os.environ))
    run(project, "good")
    (project / "in").write_text("1")
    assert run(project, "good")[0] == {"good": "restored"}
    assert run(project, "good", force=True)[0] == {"good": "ran"}


@pytest.mark.parametrize(
    ("stage", "retryable", "message"),
    [
        ("busy", True, "busy: "),
        ("killed", True, "killed: "),
        ("wrong", False, "wrong: a param is wrong"),
        ("missing", False, "missing: "),
    ],
)
def test_which_failures_may_pass(project: Path, stage: str, retryable: bool, message: str) -> None:
    with pytest.raises(StageFailedError) as failed:
        run(project, stage)
    assert failed.value.retryable == retryable
    assert str(failed.value).startswith(message)
