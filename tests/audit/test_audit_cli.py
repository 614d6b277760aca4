"""The audit's command line: every question is there, and what a user does wrong is one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tasks.audit.cli import QUESTIONS, build_parser
from tests.project import ROOT, Project


@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_has_its_arguments(question: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        build_parser().parse_args([question, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"reeltrace audit {question}" in shown and "--json" in shown


def test_asking_nothing_lists_the_questions_and_imports_little(project: Project) -> None:
    done = project.audit()
    assert done.returncode == 0 and all(question in done.stdout for question in QUESTIONS)
    program = "import sys, tasks.audit.cli; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"pyarrow", "numpy", "dvc", "mlflow", "rich", "pydantic"} & set(loaded.stdout.split())


def test_an_unknown_question_is_refused(project: Project) -> None:
    done = project.audit("why")
    assert done.returncode == 2 and "invalid choice: 'why'" in done.stderr


@pytest.mark.parametrize("question", [["trace"], ["verify"], ["negatives"], ["graph"], ["export"], ["diff", "HEAD"]])
def test_outside_a_project_it_says_where_to_go(question: list[str], tmp_path: object, project: Project) -> None:
    done = Project(tmp_path).audit(*question)  # type: ignore[arg-type]
    assert done.returncode == 2 and done.stderr.startswith("audit: ") and done.stderr.count("\n") == 1, done.stderr


def test_a_reader_that_has_seen_enough_leaves_no_trace(project: Project) -> None:
    program = [sys.executable, "-m", "tasks.cli", "audit", "trace"]
    environment = project.environment | {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "1"}
    piped = subprocess.Popen(program, cwd=project.root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert piped.stdout is not None and piped.stderr is not None
    piped.stdout.close()
    errors = piped.stderr.read()
    piped.wait()
    assert errors == b""
