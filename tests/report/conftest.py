"""A published results folder, and the report made of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from tasks.report.evidence import Evidence, read_evidence
from tests.report import tree
from tests.report.making import make_report

Made = Callable[..., Path]


@pytest.fixture(scope="session")
def scored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with scores, and its report in `report/`. Read it, do not change it."""
    return _made(tmp_path_factory.mktemp("scored"))


@pytest.fixture
def evidence(scored: Path, monkeypatch: pytest.MonkeyPatch) -> Evidence:
    """What the scored workspace holds; the test works there."""
    monkeypatch.chdir(scored)
    return read_evidence()


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Make a workspace with `tree.make_results`' options, and its report in `report/`; work there."""
    before = Path.cwd()
    yield lambda **options: _made(tmp_path, **options)
    os.chdir(before)


def _made(root: Path, **options: Any) -> Path:
    tree.make_workspace(root)
    with chdir(root):
        tree.make_results(**options)
        make_report(root / "report")
    return root
