"""The report stage's work alone, without publishing or tracking."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from tasks.report.run import run
from tasks.shared.execution.params import load_params
from tasks.shared.execution.pipeline import read_stages
from tasks.shared.execution.stage import StageRun
from tasks.shared.execution.tracking import Tracker


def make_report(out: Path) -> StageRun:
    """Write the report of the working directory's results into a new folder."""
    out.mkdir()
    params = load_params()
    stage = StageRun(read_stages(params)["report"], params, out, cast(Tracker, None))
    run(stage)
    return stage
