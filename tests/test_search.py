"""`reeltrace search` over an index made by the stage, with real tiny weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tasks.cli import main
from tasks.encode.run import run
from tasks.omni.inputs import Item
from tasks.omni.loading import load_embedder
from tasks.omni.lora import load_adapter
from tasks.search import Found, as_table
from tasks.shared.artifacts.corpus import write_qrels
from tasks.shared.artifacts.index import Hit
from tasks.shared.artifacts.vectors import read_vectors
from tests.conftest import Workspace
from tests.encode.archive import RESULTS, publish_archive, save_random_adapter
from tests.omni.encoding import encode_items

WORDS = "flood in the harbour"


@pytest.fixture
def archive(workspace: Workspace) -> Workspace:
    publish_archive()
    workspace.run("encode", run)
    return workspace


def found(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    capsys.readouterr()
    main(["search", "--json", *arguments])
    answer = json.loads(capsys.readouterr().out)
    assert answer["query"]
    results: list[dict[str, Any]] = answer["results"]
    return results


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["search", *arguments])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_search_ranks_by_the_tuned_models_vectors(
    archive: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    model = load_embedder("results/base/model", device="cpu")
    load_adapter(model[0].model, "results/train/adapter")
    videos = read_vectors("tuned", "videos")
    scores = videos.values @ encode_items(model, [Item(f"Query: {WORDS}")], batch_size=1)[0]
    order = np.argsort(-scores)

    results = found(capsys, WORDS, "--vectors-only")
    assert [one["video_id"] for one in results] == [videos.ids[row] for row in order]
    np.testing.assert_allclose([one["score"] for one in results], scores[order], atol=1e-5)
    assert [one["video_id"] for one in found(capsys, *WORDS.split(), "-k", "2", "--vectors-only")] == [
        videos.ids[row] for row in order[:2]
    ]

    both = found(capsys, "the water rises")  # what is said in one video only
    assert both[0]["video_id"] == "both"
    assert both[0]["words"] == pytest.approx(1.0)
    assert all(one["score"] == pytest.approx(one["similarity"] + one["words"]) for one in both)
    raw = found(capsys, WORDS, "--vectors-only", "--language", "en", "--video-type", "raw")
    assert {one["video_id"] for one in raw} == {"both", "words"}

    monkeypatch.chdir(tmp_path)  # an index elsewhere brings its model along
    elsewhere = found(capsys, WORDS, "--vectors-only", "--index", str(archive.root / "results" / "encode"))
    assert elsewhere == results

    assert "the query is empty" in refused(capsys, "  ", "--index", str(archive.root / "results" / "encode"))
    monkeypatch.chdir(archive.root)
    assert "there are: en (3), zh (1)" in refused(capsys, WORDS, "--language", "x' OR 1=1 --")
    save_random_adapter(RESULTS / "train" / "adapter", seed=9)
    assert "was made by another model" in refused(capsys, WORDS)


def test_search_fuses_modalities_where_the_index_was_made_with_them(
    archive: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "was made without rrf; add it to evaluate.fusion" in refused(capsys, WORDS, "--fusion", "rrf")
    joint = found(capsys, WORDS, "--vectors-only")
    archive.set_params({"evaluate.fusion": ["joint", "rrf", "routed"]})
    archive.run("encode", run)
    assert found(capsys, WORDS, "--vectors-only") == joint

    model = load_embedder("results/base/model", device="cpu")
    load_adapter(model[0].model, "results/train/adapter")
    query = encode_items(model, [Item(f"Query: {WORDS}")], batch_size=1)[0]
    wanted: dict[str, float] = {}
    for view in ("text", "video", "audio"):
        videos = read_vectors("tuned", "videos", view=view)
        for rank, row in enumerate(np.argsort(-(videos.values @ query)), start=1):
            wanted[videos.ids[row]] = wanted.get(videos.ids[row], 0) + 1 / (60 + rank)
    by_rank = found(capsys, WORDS, "--vectors-only", "--fusion", "rrf")
    assert [one["video_id"] for one in by_rank] == sorted(wanted, key=lambda one: (wanted[one], one), reverse=True)
    assert [one["video_id"] for one in by_rank] != [one["video_id"] for one in joint]
    for measure in (np.mean, np.std):  # words weigh the same beside both
        assert measure([one["score"] for one in by_rank]) == pytest.approx(measure([one["score"] for one in joint]))
    both = found(capsys, "the water rises", "--fusion", "rrf")
    assert both[0]["video_id"] == "both" and both[0]["words"] == pytest.approx(1.0)
    raw = found(capsys, WORDS, "--fusion", "rrf", "--language", "en", "--video-type", "raw")
    assert {one["video_id"] for one in raw} == {"both", "words"}
    assert "qrels.train.trec is missing, from which routing is learnt" in refused(capsys, WORDS, "--fusion", "routed")
    write_qrels(RESULTS / "corpus" / "qrels.train.trec", [])
    assert "nothing is routed: 0 training queries" in refused(capsys, WORDS, "--fusion", "routed")


def hit(rank: int, score: float = -0.1, **known: Any) -> Found:
    named = ("title", "description", "caption", "language", "video_type", "duration", "transcript", "ocr")
    nothing = dict.fromkeys(named)
    fixed = {"split": "test", "similarity": score, "video_id": "an-id", "path": "a.mp4"}
    return Found(rank, score, 0.0, Hit(**nothing | fixed | known))


def test_the_table_is_aligned_and_free_of_control_characters() -> None:
    found = [
        hit(1, score=0.51234, title="Flood\x1b[2J in\nthe port", language="en", video_type="raw", duration=65.4),
        hit(2, title="洪水" * 40, language="zh", duration=3725.0),
        hit(10, path="c\u202e.mp4"),
    ]
    lines = as_table(found).splitlines()
    assert lines[0].split() == ["rank", "score", "title", "language,", "type", "length", "path"]
    assert lines[1].split() == ["1", "0.5123", "Flood[2J", "in", "the", "port", "en,", "raw", "1:05", "a.mp4"]
    assert lines[2].endswith("…  zh              1:02:05  a.mp4")
    assert lines[3].split() == ["10", "-0.1000", "an-id", "?", "c.mp4"]
    column = lines[0].index("language")
    assert lines[1].index("en,") == column
    assert lines[2].index("zh") == column - 23  # as many wide characters before it, each two columns


def test_a_search_does_not_import_what_trains(archive: Workspace) -> None:
    program = (
        "import sys\nfrom tasks.cli import main\nmain(['search', 'flood'])\n"
        "print({'sentence_transformers', 'sklearn', 'mlflow', 'datasets', 'peft'} & set(sys.modules))"
    )
    Path("probe.py").write_text(program)
    done = archive.program("probe")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "set()"
