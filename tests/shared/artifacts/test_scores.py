"""metrics.json, as this version and versions before wrote it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from tasks.shared.artifacts.scores import METRICS, SYSTEMS, Scores, read_scores
from tasks.shared.runtime.errors import UserError


def test_systems_are_in_their_order_and_none_is_lost(tmp_path: Path) -> None:
    written = Scores(queries=1, videos=2, systems={name: {"nDCG@10": 0.5} for name in sorted(["other", *SYSTEMS])})
    (tmp_path / METRICS).write_text(json.dumps(asdict(written)))
    assert list(read_scores(tmp_path).systems) == [*SYSTEMS, "other"]


def test_null_is_no_record(tmp_path: Path) -> None:
    (tmp_path / METRICS).write_text("null")
    with pytest.raises(UserError, match=r"metrics.json is not as this version writes it \(null\); run `dvc repro -f"):
        read_scores(tmp_path)
