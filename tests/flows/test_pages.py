"""Prefect's own pages of runs, in a real browser: what a person sees of them."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from flows import cells
from flows.experiments import experiments
from flows.pipeline import pipeline
from tests.flows.fake_dvc import FakeDvc
from tests.flows.runs import Ran, Runs, run_here, until
from tests.flows.small import STAGES, Small


@pytest.fixture
def page(browser: Any, runs: Runs, tmp_path: Path) -> Any:
    """Opens a page, waits for a text on it, and keeps a picture of it; in $FLOW_SHOTS where that names a folder."""

    def opened(path: str, *texts: str) -> Image.Image:
        size = {"width": 1400, "height": 1300, "deviceScaleFactor": 1, "mobile": False}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(runs.server.api.removesuffix("/api") + path)
        until(lambda: all(text in browser.execute_script("return document.body.innerText") for text in texts))
        picture = browser.get_screenshot_as_png()
        name = "-".join(path.strip("/").split("/")[:2])
        (Path(os.environ.get("FLOW_SHOTS", tmp_path)) / f"{name}.png").write_bytes(picture)
        return Image.open(io.BytesIO(picture))

    return opened


def artifact(ran: Ran, key: str) -> str:
    found: UUID = ran.artifacts[key].id
    return f"/artifacts/artifact/{found}"


def test_a_flow_run_its_tasks_and_its_artifacts(page: Any, here: Small, dvc: FakeDvc, browser: Any) -> None:
    dvc.stale = set(STAGES)
    dvc.lines = {"extract": ["extract: 1 files"]}
    dvc.lines["mine"] = ['mine: <img src=x onerror="document.title=1"> `x` | [a](javascript:alert(1)) **b**']
    ran = run_here(pipeline)
    picture = page(f"/runs/flow-run/{ran.run_id}", ran.run.name, "Completed", "4 Task runs", "extract: 1 files")
    assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 100, "something is drawn"
    browser.find_element("xpath", "//*[text()='Task Runs']").click()
    until(lambda: all(stage in browser.execute_script("return document.body.innerText") for stage in STAGES))
    page(artifact(ran, "score"), "tuned", "nDCG@10", "0.2700", "0.2600 to 0.2800")
    page(artifact(ran, "summary"), "stages: 4 ran", "reeltrace audit trace", "results/report/report.html")
    page(artifact(ran, "summary"), "mine: <img src=x onerror=")
    assert browser.title != "1", "what a stage says stays text"
    assert browser.execute_script("return document.querySelectorAll('img[src=x], a[href^=javascript]').length") == 0


def test_a_grid_is_compared_in_a_plot(
    page: Any, here: Small, dvc: FakeDvc, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "save_experiment", lambda checkout, name, message: None)
    results = here.root / "results"
    dvc.during = {"evaluate": lambda root, tick: shutil.copytree(results, root / "results", dirs_exist_ok=True)}
    grown = run_here(experiments, grid={"mine.keep": [5, 6]})
    page(artifact(grown, "comparison-plot"), "best: keep=5", "dvc exp apply")
    width = "return document.querySelector('img[alt^=nDCG]')?.naturalWidth"
    until(lambda: (browser.execute_script(width) or 0) > 300)
    page(artifact(grown, "comparison"), "0.2700", "0.2600 to 0.2800", "95 % interval")
