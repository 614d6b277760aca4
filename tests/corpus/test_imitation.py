"""The imitation of MultiVENT 2.0, read as MultiVENT 2.0, through to a file that could be handed in."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.corpus.demo_plan import Plan
from tasks.corpus.run import run as corpus
from tasks.evaluate.run import run as evaluate
from tasks.extract.run import run as extract
from tasks.shared.artifacts.corpus import read_qrels, read_queries, read_videos
from tasks.shared.artifacts.runs import read_run
from tasks.shared.artifacts.scores import read_scores
from tasks.shared.artifacts.shipped import read_shipped
from tasks.shared.artifacts.transcripts import read_transcripts
from tasks.shared.artifacts.vectors import Kind, Vectors, write_vectors
from tasks.shared.runtime.errors import UserError
from tasks.submission.layouts import read_layout, submit
from tasks.submission.score import score
from tasks.transcribe.run import run as transcribe
from tests.conftest import Workspace
from tests.corpus.imitation import write_imitation

OUT = Path("results/corpus")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Plan]]:
    """A dozen videos a split in tars of five, once for all tests here."""
    path = tmp_path_factory.mktemp("imitation") / "multivent"
    return path, write_imitation(path)


@pytest.fixture
def plans(made: tuple[Path, dict[str, Plan]], workspace: Workspace) -> dict[str, Plan]:
    """The imitation in a workspace whose params name it."""
    shutil.copytree(made[0], "multivent")
    workspace.set_params(
        {"corpus.source": "multivent", "corpus.path": "multivent", "extract.frames": 4, "run.max_failed_fraction": 0.1}
    )
    return made[1]


def test_it_is_read_whole(workspace: Workspace, plans: dict[str, Plan], capsys: pytest.CaptureFixture[str]) -> None:
    counts = workspace.run("corpus", corpus, ("av",))["counts"]
    assert counts == counts | {
        "videos": 26, "train_videos": 13, "test_videos": 13, "train_queries": 16, "test_queries": 16,
        "shipped_transcripts": 24, "shipped_ocr": 25, "shipped_without_video": 0,
    }  # fmt: skip
    videos = {one.video_id: one for one in read_videos(OUT / "manifest.parquet")}
    assert {name: one.split for name, one in videos.items()} == {name: one.split for name, one in plans.items()}
    for name, video in videos.items():
        plan = plans[name]
        if plan.split == "train":
            assert (video.title, video.description, video.caption) == (plan.title, plan.description, plan.caption)
        else:
            assert video.caption == (plan.caption or plan.title)
    queries = read_queries(OUT / "queries.parquet")
    assert {one.language for one in queries} == {"ar", "en", "es", "ko", "ru", "zh"}
    assert {one.type for one in queries} == {"base", "description", "speech", "ocr"}
    for split in ("train", "test"):
        judged = read_qrels(OUT / f"qrels.{split}.trec")
        assert judged.keys() <= {one.query_id for one in queries if one.split == split}
        assert sum(map(len, judged.values())) == counts[f"{split}_judgments"] > 16
    assert any(one.language and one.video_type == "raw" for one in videos.values())
    told = capsys.readouterr().err
    assert "corpus: 2 of 26 videos have no shipped transcripts\n" in told
    assert "corpus: 1 of 26 videos have no shipped ocr\n" in told


def test_shipped_words_are_those_that_are_said_and_written(workspace: Workspace, plans: dict[str, Plan]) -> None:
    workspace.run("corpus", corpus, ("av",))
    for one in read_shipped():
        plan = plans[one.video_id]
        assert one.transcript in ((plan.spoken or "").strip(), None)
        assert one.frames == (None if plan.broken else ["\n".join(plan.event.sign)] * 2 if plan.sign else [])
    workspace.run("extract", extract)
    workspace.set_params({"transcribe.source": "shipped", "transcribe.ocr": "shipped"})
    counts = workspace.run("transcribe", transcribe)["counts"]
    assert (counts["without_transcript"], counts["without_ocr"]) == (2, 0)
    signs = {one: "\n".join(plan.event.sign) if plan.sign else "" for one, plan in plans.items() if not plan.broken}
    assert {one: said.ocr for one, said in read_transcripts().items()} == signs


def test_rankings_of_it_can_be_handed_in(workspace: Workspace, plans: dict[str, Plan]) -> None:
    workspace.run("corpus", corpus, ("av",))
    workspace.run("extract", extract)
    texts = {key: ["ocr", "transcript"] for key in ("document.train_text", "document.test_text")}
    workspace.set_params({"transcribe.source": "shipped", "transcribe.ocr": "shipped", **texts})
    workspace.run("transcribe", transcribe)
    rng = np.random.default_rng(5)
    videos = [one for one, plan in sorted(plans.items()) if plan.split == "test" and not plan.broken]
    sources: dict[Kind, dict[str, str]] = {
        "videos": dict.fromkeys(videos, ""),
        "queries": {one.query_id: one.digest() for one in read_queries(OUT / "queries.parquet", "test")},
    }
    for kind, source in sources.items():
        names, digests = list(source), list(source.values())
        values = rng.standard_normal((len(names), 8)).astype(np.float32)
        write_vectors(Path("results/encode/vectors"), "tuned", kind, Vectors(names, values, digests))
        write_vectors(Path("results/encode/vectors"), "base", kind, Vectors(names, values[:, ::-1].copy(), digests))
    Path("results/encode/index.manifest.json").write_text("{}")
    workspace.run("evaluate", evaluate)
    for layout in ("2025", "2026"):
        submit(Path("handed-in.json"), layout, "tuned", None)
        assert read_layout(Path("handed-in.json")) == read_run("tuned")
        assert score(Path("handed-in.json")).means == read_scores().systems["tuned"]
    asked = {one.type: one for one in read_queries(OUT / "queries.parquet", "test") if one.language == "en"}
    assert read_scores().slices["query_type"]["ocr"].systems["bm25"]["nDCG@10"] > 0, sorted(asked)


@pytest.mark.parametrize(
    ("gone", "says"),
    [
        (["test", "multivent_2_test_queries.csv", "multivent_2_test_judgments.jsonl"], "every video is in the train"),
        (["test"], "every video is in the train"),
        (["train"], "unknown videos, the first is "),
    ],
)
def test_a_split_that_is_missing_is_one_line(
    workspace: Workspace, plans: dict[str, Plan], gone: list[str], says: str
) -> None:
    for name in gone:
        path = Path("multivent") / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(UserError) as error:
        workspace.run("corpus", corpus, ("av",))
    assert says in str(error.value) and "\n" not in str(error.value)


def test_one_split_alone_and_features_of_videos_that_are_not_there(
    workspace: Workspace, plans: dict[str, Plan], capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree("multivent/train")
    for name in ("queries.csv", "judgments.jsonl"):
        Path(f"multivent/multivent_2_train_{name}").unlink()
    shutil.rmtree("multivent/features/train")
    tar = next(Path("multivent/features/test").rglob("transcription-000000.tar.gz"))
    tar.rename("away.tar.gz")
    counts = workspace.run("corpus", corpus, ("av",))["counts"]
    assert (counts["videos"], counts["train_videos"], counts["shipped_transcripts"]) == (13, 0, 8)
    Path("away.tar.gz").rename(tar)
    Path("multivent/test/000000.tar").unlink()
    for name in ("queries.csv", "judgments.jsonl"):
        Path(f"multivent/multivent_2_test_{name}").unlink()
    counts = workspace.run("corpus", corpus, ("av",))["counts"]
    assert (counts["videos"], counts["shipped_without_video"]) == (8, 5)
    assert "corpus: features of videos that are not there, left out: " in capsys.readouterr().err
    Path("multivent/train").mkdir()
    shutil.copytree("multivent/features/test", "multivent/features/train")
    with pytest.raises(UserError, match=r"features of video .* are there twice, in both splits; keep those of its own"):
        workspace.run("corpus", corpus, ("av",))
