"""The page `lineage.html` beside the report: what it says, and in a real browser how it looks."""

from __future__ import annotations

import base64
import json
import re
import shlex
from collections.abc import Callable
from contextlib import chdir
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tasks.shared.artifacts.indexed import read_indexed
from tasks.shared.artifacts.runs import read_run
from tasks.shared.runtime.files import sha256_file
from tests.report import tree
from tests.report.making import make_report
from tests.report.test_report_page import Page

Made = Callable[..., Path]
STAGES = ("corpus", "extract", "transcribe", "mine", "base", "train", "encode", "evaluate")


def html_of(root: Path, page: str = "lineage.html") -> str:
    return (root / "report" / page).read_text(encoding="utf-8")


def edges_of(html: str) -> set[tuple[str, ...]]:
    return {tuple(one.split()) for one in re.findall(r'data-edge="([^"]+)"', html)}


def break_a_link() -> None:
    """In the working directory's results: train's manifest records other negatives than mine made."""
    path = Path("results/train/manifest.json")
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["inputs"]["results/mine/manifest.json"]["sha256"] = "0" * 64
    path.write_text(json.dumps(manifest, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def test_it_needs_nothing_else_and_nests_well(scored: Path) -> None:
    html = html_of(scored)
    page = Page(html)
    assert not page.wrong and not page.open
    assert not page.all("script") and not page.all("link") and not page.all("img")
    assert not re.search(r"url\(|@import|https?://", html)
    assert tree.EVIL not in html and "&lt;script&gt;alert(&#34;title&#34;)&lt;/script&gt;" in html
    ids = [one["id"] for _, one in page.tags if "id" in one]
    assert len(ids) == len(set(ids))
    assert len(page.all("table")) == len(page.all("caption"))


def test_links_lead_somewhere_in_both_pages(scored: Path) -> None:
    pages = {name: Page(html_of(scored, name)) for name in ("report.html", "lineage.html")}
    ids = {name: {one["id"] for _, one in page.tags if "id" in one} for name, page in pages.items()}
    for name, page in pages.items():
        for link in page.all("a"):
            target, _, part = str(link["href"]).partition("#")
            assert (target or name) in pages
            assert not part or part in ids[target or name], link
    assert {f"lineage.html#stage-{stage}" for stage in STAGES} <= {one["href"] for one in pages["report.html"].all("a")}


def test_the_graph_has_every_stage_its_digest_and_what_it_read(scored: Path) -> None:
    for page in ("report.html", "lineage.html"):
        html = html_of(scored, page)
        for stage in STAGES:
            assert f'data-node="{stage}"' in html
            assert f"manifest {sha256_file(scored / 'results' / stage / 'manifest.json')[:12]}" in html
        between = {edge for edge in edges_of(html) if set(edge) <= set(STAGES)}
        assert between == {
            (Path(path).parts[1], stage)
            for stage in STAGES
            for path in json.loads((scored / "results" / stage / "manifest.json").read_text("utf-8"))["inputs"]
        }
    value = json.loads((scored / "results/evaluate/metrics.json").read_text("utf-8"))["systems"]["tuned"]["nDCG@10"]
    assert f">{value:.3f}</text>" in html_of(scored)


def test_every_result_has_its_ancestry(scored: Path) -> None:
    html, text = html_of(scored), Page(html_of(scored)).text
    documents = read_indexed(scored / "results/encode")
    run = read_run("tuned", scored / "results/evaluate")
    commands = [command.replace("&#39;", "'") for command in re.findall(r'class="command">([^<]+)<', html)]
    assert len(commands) == 8
    for command in commands:
        program, audit, trace, pair = shlex.split(command)
        assert (program, audit, trace) == ("reeltrace", "audit", "trace")
        query_id, _, video_id = pair.partition(":")
        assert next(iter(run[query_id])) == video_id
        for one in list(run[query_id])[:5]:
            assert one in html
            if one in documents:
                assert f'title="{documents[one].document_sha256}"' in html
                assert f'title="{documents[one].vector_sha256}"' in html
        assert f"{run[query_id][video_id]:.6f}" in text
    assert "text + audio" in text or "test02_2" not in html, "a video without picture has fewer modalities"


def test_it_is_free_of_runs_times_and_places(scored: Path) -> None:
    html = html_of(scored)
    assert "MLflow" not in html and str(scored) not in html
    assert not re.search(r"20\d\d-\d\d-\d\d|\b\d\d:\d\d:\d\d\b", html)


def test_a_broken_link_is_marked_in_both_pages(made: Made) -> None:
    root = made(events=2)
    with chdir(root):
        break_a_link()
        make_report(root / "again")
    for page in ("report.html", "lineage.html"):
        html = (root / "again" / page).read_text(encoding="utf-8")
        assert "The chain is broken: train read another results/mine/manifest.json" in html
        assert 'class="node stage hue-5 is-broken"' in html and "negatives.jsonl: broken" in html
        assert "the two are not of one run" in html, "the legend"


def test_without_training_scores_or_queries(made: Made) -> None:
    root = made(events=2, judged=False, queries=False)
    page = Page(html_of(root))
    assert "What the index was made of" in page.text and "item by item" not in page.text
    assert "nDCG" not in page.text


def load(browser: Any, page: Path, width: int = 1280, scheme: str = "light") -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", feature)
    browser.get(page.as_uri())


BOXES = """
return [...document.querySelectorAll('svg.lineage .node')].map(node => {
  const box = node.querySelector('.box').getBoundingClientRect();
  const texts = [...node.querySelectorAll('text')].map(t => t.getBoundingClientRect());
  return {name: node.dataset.node, at: [box.left, box.top, box.right, box.bottom],
          texts: texts.map(t => [t.left, t.top, t.right, t.bottom])};
});
"""


@pytest.mark.parametrize("name", ["report.html", "lineage.html"])
@pytest.mark.parametrize("width", [390, 1280])
def test_boxes_do_not_overlap_and_hold_their_text(browser: Any, scored: Path, width: int, name: str) -> None:
    load(browser, scored / "report" / name, width)
    boxes = browser.execute_script(BOXES)
    assert len(boxes) == 13
    for one, other in combinations(boxes, 2):
        (a, b, c, d), (e, f, g, h) = one["at"], other["at"]
        assert c <= e or g <= a or d <= f or h <= b, f"{one['name']} and {other['name']} overlap"
    for box in boxes:
        left, top, right, bottom = box["at"]
        assert right - left > 100 and bottom - top > 30, "to be seen"
        for a, b, c, d in box["texts"]:
            assert left <= a and c <= right and top <= b and d <= bottom + 1, f"words leave {box['name']}"
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    scrolls = browser.execute_script(
        "const p = document.querySelector('.picture'); return [p.scrollWidth, p.clientWidth]"
    )
    assert scrolls[0] > scrolls[1] if width == 390 else scrolls[0] <= scrolls[1]
    assert not browser.get_log("browser")


LABELS = """
const boxes = [...document.querySelectorAll('svg.lineage .box')].map(b => b.getBoundingClientRect());
return [...document.querySelectorAll('svg.lineage text.label')].flatMap(text => {
  const t = text.getBoundingClientRect();
  return boxes.some(b => t.left < b.right - 1 && b.left + 1 < t.right && t.top < b.bottom - 1 && b.top + 1 < t.bottom)
    ? [text.textContent] : [];
});
"""


def test_no_label_lies_on_a_box(browser: Any, scored: Path) -> None:
    load(browser, scored / "report/lineage.html")
    assert browser.execute_script("return document.querySelectorAll('text.label').length") > 20
    assert browser.execute_script(LABELS) == []


def test_a_box_leads_to_its_stage(browser: Any, scored: Path) -> None:
    from selenium.webdriver.common.by import By

    load(browser, scored / "report/report.html")
    link = browser.find_element(By.CSS_SELECTOR, 'svg.lineage a[href="lineage.html#stage-train"]')
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
    link.find_element(By.CSS_SELECTOR, ".title").click()
    assert browser.current_url.endswith("lineage.html#stage-train")
    top = browser.execute_script("return document.getElementById('stage-train').getBoundingClientRect().top")
    assert -2 <= top < 900, "it is in view"
    manifest = sha256_file(scored / "results/train/manifest.json")
    assert manifest in browser.find_element(By.ID, "stage-train").text


COLOURS = """
const style = (one) => getComputedStyle(document.querySelector(one));
return [style('body').backgroundColor, style('svg.lineage .box').fill, style('svg.lineage .words').fill];
"""


def lightness(colour: str) -> float:
    return sum(int(one) for one in re.findall(r"\d+", colour)[:3]) / 3


def test_light_and_dark(browser: Any, scored: Path) -> None:
    load(browser, scored / "report/lineage.html", scheme="light")
    paper, box, words = map(lightness, browser.execute_script(COLOURS))
    assert paper > 240 and box > 240 and words < 130
    load(browser, scored / "report/lineage.html", scheme="dark")
    paper, box, words = map(lightness, browser.execute_script(COLOURS))
    assert paper < 40 and box < 60 and words > 130


def test_marks_are_seen(browser: Any, made: Made) -> None:
    root = made(events=2)
    with chdir(root):
        break_a_link()
        make_report(root / "again")
    load(browser, root / "again/lineage.html")
    chips = browser.execute_script(
        "return [...document.querySelectorAll('.node .chip')].map("
        "c => [c.closest('.node').dataset.node, c.textContent, c.getBoundingClientRect().width > 20])"
    )
    assert chips == [
        ["train", "broken", True],
        ["encode", "broken", True],  # it read the manifest as it was
        ["evaluate", "follows from stale", True],
        ["score", "follows from stale", True],
    ]
    assert browser.execute_script("return document.querySelector('.edge.is-broken .route') !== null")
    assert browser.execute_script(LABELS) == []


def test_it_prints(browser: Any, scored: Path) -> None:
    load(browser, scored / "report/lineage.html")
    printed = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])
    assert printed.startswith(b"%PDF") and len(printed) > 30_000
