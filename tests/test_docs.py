"""README and docs name commands, files and params that exist."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.audit.cli import build_parser as audit_parser
from tasks.cli import build_parser
from tests.conftest import REPOSITORY

PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "benchmarks" / "README.md", *(REPOSITORY / "docs").glob("*.md")])
FOLDERS = "tasks|flows|tests|benchmarks|docs|profiles"


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def code_of(page: Path) -> list[str]:
    """What a page shows as code: its indented and fenced lines, and what is between backticks."""
    text = text_of(page)
    fenced = re.findall(r"^```\w*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in text.splitlines() if line.startswith("    ")]
    return [*lines, *(line for block in fenced for line in block.splitlines()), *re.findall(r"`([^`\n]+)`", text)]


def commands_of(parser: argparse.ArgumentParser) -> set[str]:
    (choices,) = (one.choices for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    return set(choices)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_exists(page: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", text_of(REPOSITORY / "Makefile"), flags=re.MULTILINE))
    commands = commands_of(build_parser())
    questions = commands_of(audit_parser())
    for code in code_of(page):
        for target in re.findall(r"(?:^|[\s;`])make ([a-z]+)", code):
            assert target in targets, f"make {target}, which Makefile does not have"
        for command, question in re.findall(r"reeltrace (?!audit\.)([a-z]+)(?: ([a-z]+))?", code):
            assert command in commands, f"reeltrace {command}"
            if command == "audit" and question:
                assert question in questions, f"reeltrace audit {question}"
        for module in re.findall(r"python -m ((?:tasks|flows|benchmarks)[\w.]*\w)(?![\w.<])", code):
            place = REPOSITORY.joinpath(*module.split("."))
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), f"python -m {module}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_and_link_exists(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", text_of(page)):
        assert "://" in target or (page.parent / target).exists(), f"link to {target}"
    for code in code_of(page):
        for name in re.findall(rf"(?<![\w/.])((?:{FOLDERS})/[\w./-]*\w)", code):
            assert (REPOSITORY / name).exists(), f"{name} is not in the repository"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_param_exists(page: Path) -> None:
    params: dict[str, Any] = yaml.safe_load(text_of(REPOSITORY / "params.yaml"))
    for code in code_of(page):
        for name in re.findall(rf"(?<![\w./-])((?:{'|'.join(params)})(?:\.[a-z]\w*)+)(?![\w./(-])", code):
            if name.endswith((".html", ".json")) or (REPOSITORY / f"{name.replace('.', '/')}.py").is_file():
                continue
            value: Any = params
            for key in name.split("."):
                assert isinstance(value, dict), f"{name} has no keys"
                assert key in value, f"{name} is not in params.yaml"
                value = value[key]


def test_the_readme_fits_a_screen_and_names_what_is_typed_first() -> None:
    readme = text_of(REPOSITORY / "README.md")
    assert "    make demo" in readme
    assert "    make test" in readme
    assert len(readme.splitlines()) <= 90
