"""What runs and experiments are called."""

from __future__ import annotations

import re
from pathlib import Path

from flows.names import LONGEST, experiment_name, name_of, value_text
from tests.project import ROOT


def test_values_as_people_write_them() -> None:
    assert [value_text(one) for one in (["text", "video"], None, True, 0.05, "bm25")] == [
        "text+video", "null", "true", "0.05", "bm25"
    ]  # fmt: skip


def test_long_names_stay_apart(tmp_path: Path) -> None:
    """They name experiments, and one of the same name replaces the other."""
    names = {
        name_of("HEAD", {"document.test_text": ["caption"] * 20, "train.epochs": epochs}, ROOT) for epochs in (1, 2)
    }
    assert len(names) == 2 and all(len(name) == LONGEST for name in names)
    assert len({experiment_name(name) for name in names}) == 2


def test_names_of_experiments_are_what_dvc_and_git_take() -> None:
    name = experiment_name("clips@12cc7a0f+changes document.test_text=[a b] retriever.query_prompt=../x: ~^..y.")
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*[A-Za-z0-9]", name) and ".." not in name
