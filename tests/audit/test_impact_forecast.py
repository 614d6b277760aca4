"""The forecast against what DVC's rule and the stages really do, on a small corpus of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.audit.impact.view import impact
from tests.audit.own_videos import lay_out
from tests.project import Project


def test_dvc_repro_does_what_was_forecast(
    project: Project, mlflow_database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = lay_out(project, tmp_path / "project", mlflow_database)
    monkeypatch.chdir(own.root)
    monkeypatch.setenv("REELTRACE_STORE", str(own.root / ".reeltrace"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{own.root / 'mlflow.db'}")
    own.repro()
    videos = own.rows("extract/media.parquet")
    test = {row["video_id"] for row in own.rows("corpus/manifest.parquet") if row["split"] == "test"}
    filmed = next(row["video_id"] for row in videos if row["video_id"] in test)

    told = {one.stage: one for one in impact([filmed], [], ["mine.keep=1"], None)["rerun"]["changed"]}
    own.film(filmed)
    own.params("mine", keep=1)
    real = own.repro()
    assert {stage for stage, one in told.items() if one.runs == "yes"} - {"report"} == real.keys()
    counted = {
        "extract": real["extract"]["items/decoded"],
        "transcribe": real["transcribe"]["items/heard"],
        "train": 1 - real["train"]["items/reused"],
        "encode": real["encode"]["count/systems"] * (real["encode"]["count/indexed"] + real["encode"]["count/queries"])
        - real["encode"]["items/reused"],
    }
    most = {stage: sum(one.most or 0 for one in told[stage].makes) for stage in counted}
    assert counted["extract"] == counted["transcribe"] == 1
    assert counted["encode"] >= 2, "the new film, by two systems"
    failed = len(own.rows("corpus/manifest.parquet")) - len(videos)
    assert most["extract"] == 1 + failed
    assert most["transcribe"] == 1
    assert most["encode"] < 2 * (real["encode"]["count/indexed"] + real["encode"]["count/queries"])
    for stage, count in counted.items():
        assert count <= most[stage], stage
