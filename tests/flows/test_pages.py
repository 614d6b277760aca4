"""Prefect's own pages of runs, in a real browser: what a person sees of them."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from PIL import Image

from tests.flows.runs import Ran, Runs, until
from tests.flows.small import STAGES, Small, make


@pytest.fixture(scope="module")
def ran(runs: Runs, tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A pipeline that has run everything."""
    folder = tmp_path_factory.mktemp("pages")
    small = make(folder)
    return runs.run("flows.pipeline", root=small.root, more={"RAN": str(small.ran)})


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


def test_the_flow_run_and_its_tasks(page: Any, ran: Ran, browser: Any) -> None:
    name = ran.run.name
    picture = page(f"/runs/flow-run/{ran.run_id}", name, "Completed", "4 Task runs", "extract: 1 files")
    assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 100, "something is drawn"
    browser.find_element("xpath", "//*[text()='Task Runs']").click()
    until(lambda: all(stage in browser.execute_script("return document.body.innerText") for stage in STAGES))


def test_the_artifacts(page: Any, ran: Ran, browser: Any) -> None:
    page(artifact(ran, "summary"), "stages: 4 ran", "reeltrace audit trace", "results/report/report.html")
    page(artifact(ran, "score"), "tuned", "nDCG@10", "0.2700", "0.2600 to 0.2800")
    assert "<script" not in browser.execute_script("return document.body.innerText")


def test_what_a_stage_says_stays_text(page: Any, runs: Runs, small: Small, browser: Any) -> None:
    small.change({"mine.keep": 6})
    hostile = """print('mine: <img src=x onerror="document.title=1"> `x` | [a](javascript:alert(1)) **b**')"""
    again = runs.run("flows.pipeline", root=small.root, more={"BEFORE_mine": hostile})
    page(artifact(again, "summary"), "mine: <img src=x onerror=")
    assert browser.title != "1"
    assert browser.execute_script("return document.querySelectorAll('img[src=x], a[href^=javascript]').length") == 0


def test_a_grid_is_compared_in_a_plot(page: Any, runs: Runs, small: Small, browser: Any) -> None:
    small.change({"train.epochs": 4})
    small.commit()
    grid = json.dumps({"mine.keep": [5, 6]})
    grown = runs.run("flows.experiments", grid, root=small.root)
    page(artifact(grown, "comparison-plot"), "best: keep=6", "dvc exp apply")
    width = "return document.querySelector('img[alt^=nDCG]')?.naturalWidth"
    until(lambda: (browser.execute_script(width) or 0) > 300)
    page(artifact(grown, "comparison"), "0.2900", "0.3000", "95 % interval")
