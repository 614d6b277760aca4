"""The console program."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tasks.cli import STAGES, main
from tests.conftest import REPOSITORY, Workspace

HEAVY = ("torch", "transformers", "sentence_transformers", "lancedb", "mlflow", "pyarrow", "numpy", "pydantic")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom tasks.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "usage: reeltrace" in done.stdout
    assert "HEAVY []" in done.stdout


def test_there_is_a_command_for_every_stage_with_its_description() -> None:
    stages = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    assert {name: stage["desc"] for name, stage in stages.items()} == STAGES


def test_without_arguments_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    out = capsys.readouterr().out
    assert all(command in out for command in [*STAGES, "search"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serach", "x"], "invalid choice: 'serach'"),
        (["search"], "required: words"),
        (["search", "x", "-k", "0"], "must be at least 1"),
        (["encode", "--fast"], "unrecognized arguments: --fast"),
    ],
)
def test_wrong_usage_is_one_clear_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_stages_command_is_its_program(workspace: Workspace) -> None:
    by_command, by_module = workspace.program("tasks.cli", "evaluate"), workspace.program("tasks.evaluate")
    assert by_command.returncode == by_module.returncode == 2
    assert by_command.stderr == by_module.stderr
    assert "is missing; run `dvc repro evaluate`" in by_command.stderr


def test_search_without_an_index_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["search", "flood"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        "search: no index in results/encode; run `dvc repro` to make one, or name another with --index\n"
    )
